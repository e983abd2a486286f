"""The reviewer's terminal under attack, by way of what other reviewers write: names, remarks, edited arguments."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from marker import opener, save_head
from so8t.agent import build, words
from so8t.agent.chat.view import View
from so8t.agent.cli.main import cli
from so8t.agent.events import Notice
from so8t.agent.terminal import safe
from so8t.audit_db import Masker, ReviewItem, ReviewQueue, Store, Trail
from so8t.gate.contract import Call, Decision, Finding, Message, Proposal, Source, ToolSpec, Verdict, Versions

HOSTILE = (
    "\x1b[2J\x1b[1;1H\x1b]8;;https://evil.example\x07link\x1b]52;c;ZXZpbA==\x07\x9b2J\x00\b\r\nAPPROVED by alice\r\x7f"
    "\u202egpj.exe\u2066\u200b\u200d\ufeff\u00ad\u3164\u2800\u2028\U000e0041\ufe00\ue000" + "e" + "\u0301" * 50
)


def is_plain(text: str) -> bool:
    """Whether all that could hide, move or reorder anything was replaced."""
    return "\x1b" not in text and all(safe(line, lines=False) == line for line in text.split("\n"))


@pytest.fixture
def review(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    (tmp_path / "agent.toml").touch()
    monkeypatch.setenv("SO8T_DATA", str(tmp_path))
    monkeypatch.setenv("SO8T_CONFIG", str(tmp_path / "agent.toml"))
    monkeypatch.setattr(build, "open_gate", opener(save_head(tmp_path / "head")))

    def run(*words: str, code: int = 0) -> str:
        done = CliRunner().invoke(cli, ["review", *words])
        assert done.exit_code == code, done.output
        assert is_plain(done.output), done.output
        return done.output

    return run


@pytest.fixture
def item(tmp_path: Path) -> ReviewItem:
    spec, call = ToolSpec("ship", "Ships.", None), Call.of("ship", {"to": "Bonn"})
    finding = Finding(Source.HEAD, Decision.ESCALATE, "unsure")
    verdict = Verdict(Decision.ESCALATE, Source.HEAD, (finding,), call.digest, Versions("p", "h", "b", "1"))
    with Store.open(f"sqlite:///{tmp_path / 'so8t.db'}", Masker()) as store:
        Trail(store).decided("s1", Proposal((Message("user", "x"),), spec, call), verdict)
        return ReviewQueue(store).submit("s1", "w1", call, spec, verdict, "x", timedelta(hours=1))


def test_what_reviewers_write_reaches_the_terminal_only_escaped(review: Callable[..., str], item: ReviewItem) -> None:
    arguments = json.dumps({"to": HOSTILE, HOSTILE: [HOSTILE]})
    review("claim", item.id, "--reviewer", HOSTILE)
    review("show", item.id)
    review("claim", item.id, "--reviewer", "Bob", code=7)
    review("edit", item.id, "--arguments", arguments, "--note", HOSTILE, "--reviewer", HOSTILE, "--token", "1")
    for more in ((), ("--json",)):
        review("show", item.id, *more)
        review("list", *more)
    review("refuse", item.id, "--reason", HOSTILE, "--reviewer", HOSTILE, "--token", "1")
    review("claim", item.id, "--reviewer", "Bob", code=7)
    for more in ((), ("--json",)):
        review("history", *more)
        review("history", item.id, *more)
    review("reopen", item.id, "--reason", HOSTILE, "--reviewer", HOSTILE)
    review("history", item.id)
    review("show", "nope" + HOSTILE.replace("\0", ""), code=1)


def test_the_notice_of_an_edit_reaches_the_chat_only_escaped(item: ReviewItem) -> None:
    written = io.StringIO()

    def write(fragments: Any, end: str) -> None:
        written.write("".join(text for _, text in fragments) + end)

    call = Call.of("ship", {"to": HOSTILE}, item.id)
    View(write).show(Notice(words.edit_notice(call, item)))
    assert "changed the arguments of ship" in written.getvalue()
    assert is_plain(written.getvalue())
