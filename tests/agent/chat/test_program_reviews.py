"""Reviewers' decisions that arrive while the chat stands in a terminal, or between two of its runs."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

if sys.platform == "win32":
    pytest.skip("needs pseudo terminals", allow_module_level=True)

So8t = Callable[..., Any]


def approve(so8t: So8t) -> str:
    item: dict[str, Any] = so8t("review", "list", "--json").json[0]
    assert so8t("review", "approve", item["id"], "--digest", item["digest"], "--reviewer", "Aya").code == 0
    return str(item["id"])


def test_a_decision_arrives_while_a_line_is_being_typed(start: Any, so8t: So8t, folder: Path) -> None:
    calls = [{"name": "write_file", "arguments": {"path": "メモ.txt", "content": "grayword"}}]
    chat = start({"calls": calls}, {"text": "It waits."}, {"text": "Of course."}, {"text": "Now it is there."})
    chat.ready()
    chat.type("write it\r")
    chat.ready("? ESCALATE", "so8t review approve", "It waits.")
    chat.type("shall we go on?\r")
    chat.ready("Of course.")
    chat.type("half a li")
    chat.sees("half a li")
    id = approve(so8t)
    chat.sees(f"◆ write_file ({id}) was approved by Aya", "✓ write_file", "メモ.txt", "done", "Now it is there.")
    chat.sees("half a li")
    assert (folder / "メモ.txt").read_text(encoding="utf-8") == "grayword"
    chat.type("ne\x03")
    chat.ready("half a line")  # Ctrl-D between two prompts would be lost
    assert chat.leave() == 0


def test_a_decision_that_fell_while_the_program_was_off_is_carried_out_at_the_next_start(
    start: Any, so8t: So8t, folder: Path
) -> None:
    chat = start({"calls": [{"name": "write_file", "arguments": {"path": "a.txt", "content": "grayword"}}]})
    chat.ready()
    chat.type("write it\r")
    chat.ready("? ESCALATE", "(end of script)")
    assert chat.leave() == 0
    chat.sees("· waiting for a reviewer: 1")
    approve(so8t)
    chat = start({"text": "Now it is there."})
    chat.ready("was approved by Aya", "Now it is there.")
    assert (folder / "a.txt").exists()
    assert chat.leave() == 0


def test_a_turn_waits_for_what_a_reviewer_approved_and_ctrl_c_takes_it_back(
    start: Any, so8t: So8t, folder: Path
) -> None:
    chat = start({"text": "never said"})
    chat.ready()
    chat.type('/call linger {"name": "grayword"}\r')
    chat.ready("? ESCALATE")
    approve(so8t)
    chat.ready("was approved by Aya")
    chat.type("hello\r")
    chat.sees("first, what a reviewer decided is carried out", "\n")
    chat.type("\x03")
    chat.ready()
    chat.type("\x03")  # nothing is typed: it stops the call behind the prompt
    chat.ready("· stopped")
    assert chat.leave() == 0
    assert "cancelled" in so8t("audit", "list").out


def test_the_bar_below_says_how_many_calls_wait(start: Any) -> None:
    chat = start(places=True)
    chat.ready()
    chat.sees("nothing waits", "scripted script.json", "gate default")
    chat.type('/call write_file {"path": "a", "content": "grayword"}\r')
    chat.ready("? ESCALATE")
    chat.sees("1 waiting for review")
    assert chat.leave() == 0
