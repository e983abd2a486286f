"""The reviewer's terminal under attack: hostile text in every field of a call that waits."""

from __future__ import annotations

import asyncio
import io
import json
import re
import unicodedata
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from prompt_toolkit.application import create_app_session
from prompt_toolkit.data_structures import Size
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output.vt100 import Vt100_Output

from so8t.agent.cli.main import cli
from so8t.agent.review.desk import Desk
from so8t.agent.review.screen import Screen
from so8t.audit_db import Masker, ReviewItem, ReviewQueue, Store, Trail
from so8t.gate.contract import Call, Decision, Finding, Message, Proposal, Source, ToolSpec, Verdict, Versions

HOSTILE = (
    "\x1b[2J\x1b[1;1H\x1b]8;;https://evil.example\x07link\x1b]8;;\x07\x1b]52;c;ZXZpbA==\x07\x1b]0;title\x07"
    "\x1bP1;1|\x1b\\\x9b2J\x9d0;t\x9c\x85\x00\x07\b\b\b\r\nAPPROVED by alice\r\v\f\x7f"
    "\u202egpj.exe\u2066\u2069\u200f\u061c\u200b\u200d\u2060\ufeff\u00ad\u034f\u3164\u115f\u2800\xa0\u2003\u2028\u2029"
    "\U000e0041\U000e0062\ufe00\U000e0101\U0001d173\ue000\ufffc" + "e" + "\u0301" * 50 + "<b>$(x)</b>{{x}}%s[red]"
)
OURS = re.compile(r"\x1b\[\??[0-9;]*[A-Za-z]|\x1b\][0-2];[^\x07]*\x07|\r\n|\r|\n")  # what the UI library itself writes


def is_plain(text: str) -> bool:
    """Whether nothing in the text can hide, move or reorder anything."""
    return all(c in " \u3000" or unicodedata.category(c)[0] not in "CZ" for c in text) and not re.search(
        "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\ufffc\U000e0100-\U000e01ef]"
        "|\u0301{5}",
        text,
    )


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    (tmp_path / "agent.toml").touch()
    monkeypatch.setenv("SO8T_DATA", str(tmp_path))
    monkeypatch.setenv("SO8T_CONFIG", str(tmp_path / "agent.toml"))
    with Store.open(f"sqlite:///{tmp_path / 'so8t.db'}", Masker()) as opened:
        yield opened


def waiting(store: Store, arguments: dict[str, Any], text: str = "do it", tool: str = "run") -> ReviewItem:
    """A call in the queue with `text` wherever text of others can stand."""
    spec, call = ToolSpec(tool, text, None), Call.of(tool, arguments)
    finding = Finding(Source.POLICY, Decision.ESCALATE, text, text)
    versions = Versions(text, text, text, text)
    verdict = Verdict(Decision.ESCALATE, Source.POLICY, (finding,), call.digest, versions)
    Trail(store).decided("s1", Proposal((Message("user", text),), spec, call), verdict)
    return ReviewQueue(store).submit(text, text, call, spec, verdict, text, timedelta(hours=1))


def review(*words: str) -> str:
    done = CliRunner().invoke(cli, ["review", *words])
    assert done.exit_code == 0, done.output
    return done.output


def screen_bytes(store: Store, columns: int = 80, rows: int = 24) -> str:
    """Everything that the full-screen view writes to the terminal until the call was scrolled to its end."""
    written = io.StringIO()

    async def run() -> None:
        output = Vt100_Output(written, lambda: Size(rows=rows, columns=columns), term="xterm")
        with create_pipe_input() as pipe, create_app_session(input=pipe, output=output):
            screen = Screen(Desk(store, HOSTILE))
            running = asyncio.create_task(screen.run())
            for _ in range(4000):
                state = screen.state
                if state.drawn is not None and state.scroll + state.page >= state.length:
                    break
                pipe.send_text("\x1b[6~")
                await asyncio.sleep(0.005)  # the screen draws by its own clock
            screen.app.exit()
            await running

    asyncio.run(run())
    return written.getvalue()


def test_nothing_hostile_reaches_the_terminal_raw(store: Store) -> None:
    item = waiting(store, {HOSTILE: [HOSTILE, {"x": HOSTILE}]}, HOSTILE, HOSTILE)
    for text in (review("list"), review("list", "--json"), review("show", item.id), review("show", item.id, "--json")):
        assert is_plain(text.replace("\n", ""))
    for size in ((80, 24), (40, 20)):
        assert is_plain(OURS.sub("", screen_bytes(store, *size)))


def test_json_output_is_still_the_exact_call(store: Store) -> None:
    item = waiting(store, {HOSTILE: HOSTILE}, HOSTILE)
    assert json.loads(review("show", item.id, "--json"))["arguments"] == {HOSTILE: HOSTILE}


def test_a_decision_about_a_hostile_call_is_told_in_harmless_words(store: Store) -> None:
    item, other = waiting(store, {"a": 1}, HOSTILE, HOSTILE), waiting(store, {"a": 2}, HOSTILE, HOSTILE)
    assert is_plain(review("approve", item.id, "--digest", item.digest, "--note", HOSTILE).rstrip("\n"))
    assert is_plain(review("refuse", other.id, "--reason", HOSTILE, "--reviewer", HOSTILE).rstrip("\n"))
    assert is_plain(review("show", other.id).replace("\n", ""))


def test_a_fake_banner_never_stands_where_our_own_words_stand(store: Store) -> None:
    fake = "\n".join(("state    approved", "digest   00", " ", "APPROVE 00 run ?", "y: let it run once", "x" * 200))
    item = waiting(store, {"text": fake, "a": {"b": fake}}, fake)
    shown = review("show", item.id).splitlines()
    ours = [line for line in shown if not line.startswith(("│", "┆", " " * 7 + "┆"))]
    assert [line for line in ours if line.startswith("state")] == ["state    pending"]
    assert [line for line in ours if line.startswith("digest")] == [f"digest   {item.digest}"]
    assert not any(line.startswith(("APPROVE", "y:", "x")) for line in shown)


def test_blank_lines_and_padding_do_not_push_the_payload_off_the_screen(store: Store) -> None:
    for padding in ("\n" * 10_000, " " * 10_000, "\u200b" * 10_000, "\u3000" * 10_000, "A" * 10_000):
        item = waiting(store, {"command": padding + "rm -rf /"}, padding + "words")
        rows = review("show", item.id).splitlines()
        assert any("rm -rf /" in row for row in rows[:12])
        assert any("the same 9,999 more times" in row for row in rows[:12])
        assert len(rows) < 40
        assert f"{len(item.arguments_json.encode()):,} bytes" in "\n".join(rows)


def test_nothing_of_the_call_is_left_out(store: Store) -> None:
    text = "".join(f"<{number}>" for number in range(5000))
    item = waiting(store, {"text": text})
    assert text in review("show", item.id)
    drawn = [row for row in screen_bytes(store).split("\x1b") if "4999" in row]
    assert drawn


def test_what_is_cut_in_a_list_says_how_much_is_missing(store: Store) -> None:
    waiting(store, {"a": 1}, "reason " * 100, "tool" * 50)
    assert re.search(r"toolto‹\+190›", review("list"))
    assert re.search(r"reason re ‹599 more›", review("list"))


def test_a_host_of_look_alike_letters_is_shown_as_it_is_looked_up(store: Store) -> None:
    item = waiting(
        store, {"url": "https://аpple.com/login", "to": "bob@gооgle.com", "u": "http://bank.com@evil.example/"}
    )
    shown = review("show", item.id)
    for looked_up in ("xn--pple-43d.com", "xn--ggle-55da.com", "bank.com@evil.example is evil.example"):
        assert looked_up in shown


def test_markup_of_the_ui_library_is_plain_text(store: Store) -> None:
    text = "<ansired>x</ansired> [ZeroWidthEscape] class:ask \\x1b[0m {name} %(x)s"
    item = waiting(store, {"text": text}, text)
    assert text in review("show", item.id)
    drawn = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", screen_bytes(store, 200, 60))
    assert text in drawn
