"""The engine that replies from a file, for demos and for tests of everything around a model."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from so8t.agent.engines import EngineUnavailable, ProposedCall, Reply, TextDelta
from so8t.agent.engines.scripted import Scripted
from so8t.gate.contract import Message


def ask(engine: Scripted, text: str = "hi") -> list[TextDelta | Reply]:
    async def run() -> list[TextDelta | Reply]:
        return [item async for item in engine.stream([Message("user", text)], [])]

    return asyncio.run(run())


def script(folder: Path, text: str) -> Scripted:
    file = folder / "script.json"
    file.write_text(text, encoding="utf-8")
    return Scripted.from_file(file)


def test_each_request_is_answered_by_the_next_reply_and_then_the_script_ends(tmp_path: Path) -> None:
    engine = script(tmp_path, '[{"text": "a\\nb"}, {"calls": [{"name": "f", "arguments": {"x": "日本"}}]}]')
    assert ask(engine) == [TextDelta("a\n"), TextDelta("b"), Reply("a\nb")]
    assert ask(engine) == [Reply("", (ProposedCall("f", '{"x": "日本"}'),))]
    assert ask(engine)[-1] == Reply("(end of script)")


def test_a_reply_may_wait_for_words_in_the_last_message(tmp_path: Path) -> None:
    engine = script(tmp_path, '[{"when": "sum", "text": "42"}, {"text": "hello"}]')
    assert ask(engine, "hi")[-1] == Reply("hello")
    assert ask(engine, "the sum?")[-1] == Reply("42")


def test_arguments_that_are_no_object_are_passed_on_as_they_stand(tmp_path: Path) -> None:
    engine = script(tmp_path, '[{"calls": [{"name": "f", "arguments": "{broken"}, {"name": "g", "arguments": [1]}]}]')
    reply = ask(engine)[-1]
    assert isinstance(reply, Reply)
    assert [call.arguments for call in reply.calls] == ["{broken", "[1]"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "no script: Invalid JSON"),
        ('{"text": "x"}', "no script: Input .* array"),
        ('[{"txt": "x"}]', "no script: 0: txt: "),
        ("", "no script"),
        ('["x"]', "0"),
    ],
)
def test_a_file_that_is_no_script_is_an_error_that_says_where(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(EngineUnavailable, match=message):
        script(tmp_path, text)


def test_a_missing_script_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(EngineUnavailable, match=r"nothing\.json"):
        Scripted.from_file(tmp_path / "nothing.json")
