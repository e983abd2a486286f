"""The so8t-mini that ships: small, with its origin inside, and good enough at choosing tools and copying."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("transformers")
gguf = pytest.importorskip("gguf")
pytest.importorskip("llama_cpp")

from so8t.training.mini import chat, evaluate, phrasing  # noqa: E402
from so8t.training.mini.dialogues import Generator  # noqa: E402
from so8t.training.mini.llamacpp import GgufAnswerer  # noqa: E402

PATH = Path(__file__).parents[2] / "agent" / "models" / "so8t-mini.gguf"


@pytest.fixture(scope="module")
def answerer() -> Iterator[GgufAnswerer]:
    made = GgufAnswerer(PATH)
    yield made
    made.llama.close()


def test_the_file_is_small() -> None:
    assert PATH.stat().st_size <= 16 * 2**20


def test_the_file_tells_its_seed_and_the_digests_of_its_data() -> None:
    field = gguf.GGUFReader(PATH).fields["so8t.training"]
    origin: dict[str, Any] = json.loads(bytes(field.parts[field.data[0]]).decode("utf-8"))
    runs = origin["average"]["runs"]
    assert 0 < origin["average"]["share_of_second"] < 1
    assert len(runs) == 2
    for run in runs:
        assert isinstance(run["plan"]["seed"], int)
        assert all(len(digest) == 64 for digest in run["digests"].values())


def test_held_out_questions_get_the_right_tool_and_exact_arguments(answerer: GgufAnswerer) -> None:
    score = evaluate.score(evaluate.read_heldout(), answerer)
    assert score.choice >= 0.90, score
    assert score.exactness >= 0.75, score


def test_values_never_seen_are_copied_in_known_phrasings(answerer: GgufAnswerer) -> None:
    score = evaluate.score(evaluate.known(Generator(phrasing.read_folder(), 987654321), 100), answerer)
    assert score.choice >= 0.95, score
    assert score.exactness >= 0.80, score


@pytest.mark.parametrize(
    ("result", "words"),
    [
        ("error: notes.md: no such file", "That failed: notes.md: no such file"),
        ("waiting: needs review (7k2mq9xd)", "That needs a reviewer's approval first (7k2mq9xd)."),
        ("refused: the path leads out of the workspace", "The safety gate refused that."),
        ("buy milk", "That is what notes.md holds."),
    ],
)
def test_the_answer_after_a_result_is_honest(answerer: GgufAnswerer, result: str, words: str) -> None:
    call = chat.Call("read_file", {"path": "notes.md"})
    turn = (
        chat.Message("user", "show me notes.md"),
        chat.Message("assistant", calls=[call]),
        chat.Message("tool", result),
    )
    assert answerer.answer(chat.render(turn, prompt=True)) == words


@pytest.mark.parametrize("text", ["明日の天気は？", "ありがとう", "Как дела?"])
def test_another_language_gets_the_apology(answerer: GgufAnswerer, text: str) -> None:
    said = answerer.answer(chat.render([chat.Message("user", text)], prompt=True))
    assert said == "I am sorry, I only understand English."
