"""`so8t chat` with lines from a pipe: every /command, and what happens between two runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

So8t = Callable[..., Any]
pytestmark = pytest.mark.usefixtures("marker_gate")


@pytest.fixture
def talk(so8t: So8t, script: Any) -> Callable[..., list[str]]:
    """The lines that the chat prints after its greeting, for the lines that the user types."""
    script()

    def talk(*lines: str | bytes) -> list[str]:
        typed = [line if isinstance(line, bytes) else line.encode() for line in lines]
        done = so8t("chat", stdin=b"\n".join(typed))
        assert (done.code, done.err) == (0, "")
        out: list[str] = done.out.splitlines()
        return out[3:]

    return talk


def write_file(content: str, path: str = "note.txt") -> str:
    return f"/call write_file {json.dumps({'path': path, 'content': content}, ensure_ascii=False)}"


def waiting(so8t: So8t) -> dict[str, Any]:
    found: dict[str, Any] = so8t("review", "list", "--json").json[0]
    return found


def approve(so8t: So8t) -> None:
    item = waiting(so8t)
    assert so8t("review", "approve", item["id"], "--digest", item["digest"], "--reviewer", "Aya").code == 0


def test_it_says_where_it_works_with_what_and_what_to_type(so8t: So8t, script: Any, folder: Path) -> None:
    script()
    out = so8t("chat").out.splitlines()
    assert out[0] == f"so8t in {folder}"
    assert "scripted script.json" in out[1]
    assert "gate default" in out[1]
    assert "/help" in out[2]
    assert len(out) == 3


def test_a_turn_is_carried_out_and_the_next_one_follows(talk: Any, script: Any, folder: Path) -> None:
    calls = [{"name": "write_file", "arguments": {"path": "note.txt", "content": "milk"}}]
    script({"calls": calls}, {"text": "Written.\nBye."}, {"text": "You are welcome."})
    lines = talk("write milk", "", "  thanks ")
    assert lines[0] == '● write_file  content="milk"  path="note.txt"'
    assert lines[-3:] == ["  Written.", "  Bye.", "  You are welcome."]
    assert (folder / "note.txt").read_text(encoding="utf-8") == "milk"


def test_japanese_is_understood_and_answered(talk: Any, script: Any, so8t: So8t, folder: Path) -> None:
    """The gate's model cannot read it, so a reviewer does."""
    calls = [{"name": "write_file", "arguments": {"path": "買い物.txt", "content": "牛乳"}}]
    script({"calls": calls}, {"text": "承認を待っています。"})
    lines = talk("メモに牛乳と書いて")
    assert '● write_file  content="牛乳"  path="買い物.txt"' in lines
    assert "  承認を待っています。" in lines
    approve(so8t)
    script({"text": "書きました。"})
    assert talk()[-1] == "  書きました。"
    assert (folder / "買い物.txt").read_text(encoding="utf-8") == "牛乳"


def test_every_command_is_in_the_help(talk: Any) -> None:
    helped = "\n".join(talk("/help"))
    for name in ("/help", "/tools", "/call", "/pending", "/why", "/show", "/new", "/quit", "Ctrl-C", "Ctrl-D"):
        assert name in helped


def test_an_unknown_command_is_told_the_nearest(talk: Any) -> None:
    assert "'/pendin': one of /pending" in talk("/pendin")[0]


def test_quit_leaves_and_the_rest_is_not_read(talk: Any) -> None:
    assert talk("/quit", "/tools") == []


def test_tools_are_listed_with_their_effects(talk: Any) -> None:
    lines = talk("/tools")
    assert any(line.split()[:2] == ["write_file", "write"] for line in lines)


def test_a_call_by_hand_is_gated_like_any_other(talk: Any, folder: Path) -> None:
    assert "✓ ALLOW" in talk(write_file("hello"))[1]
    assert (folder / "note.txt").read_text(encoding="utf-8") == "hello"
    assert "✗ REFUSE" in talk(write_file("blackword", "b.txt"))[1]
    assert not (folder / "b.txt").exists()


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("/call", "usage: /call NAME"),
        ("/call  ", "usage: /call NAME"),
        ("/call write_fil {}", "no tool 'write_fil'"),
        ("/call write_file {", "not a valid call"),
        ("/call write_file", "not a valid call"),
        ('/call write_file {"path": 1, "content": "x"}', "not a valid call"),
        ("/why", "usage: /why ID"),
        ("/why nonsense", "nothing is recorded under the id 'nonsense'"),
        ("/show", "no call has run yet"),
        ("/pending", "nothing waits"),
        ("/", "unknown command '/'"),
    ],
)
def test_a_command_that_cannot_be_carried_out_says_why_and_the_chat_goes_on(talk: Any, line: str, says: str) -> None:
    lines = talk(line, "/new")
    assert says in "\n".join(lines[:-1])
    assert lines[-1] == "  a new conversation"


def test_show_prints_all_of_a_folded_result(talk: Any, folder: Path) -> None:
    (folder / "long.txt").write_text("".join(f"row {i}\n" for i in range(50)), encoding="utf-8")
    lines = talk('/call read_file {"path": "long.txt"}', "/show")
    assert "  … 38 more lines: /show for all" in lines
    assert [line for line in lines if line == "  │ row 49"] == ["  │ row 49"]


def test_what_waits_is_listed_told_of_at_the_end_and_runs_in_a_later_chat(
    talk: Any, so8t: So8t, script: Any, folder: Path
) -> None:
    lines = talk(write_file("grayword 日本"), "/pending")
    item = waiting(so8t)
    assert f"  waits for a reviewer: so8t review approve {item['id']}" in lines
    assert any(line.startswith(f"  {item['id']}  write_file  ") and "日本" in line for line in lines)
    assert lines[-1].startswith("· waiting for a reviewer: 1")
    approve(so8t)
    script({"text": "It is written."})
    lines = talk()
    assert lines[0] == f"◆ write_file ({item['id']}) was approved by Aya"
    assert lines[1].startswith('✓ write_file  content="grayword 日本"  path="note.txt"  done  ')
    assert lines[-1] == "  It is written."
    assert (folder / "note.txt").read_text(encoding="utf-8") == "grayword 日本"
    assert talk() == []


def test_the_story_of_a_decision_is_told(talk: Any, so8t: So8t) -> None:
    talk(write_file("grayword"))
    told = "\n".join(talk(f"/why {waiting(so8t)['id']}"))
    assert "ESCALATE" in told
    assert "grayword" in told


def test_a_new_conversation_is_without_the_old_one(talk: Any, script: Any) -> None:
    """The gate looks at the conversation too: what it found suspicious there is gone."""
    script({"text": "one"}, {"text": "two"}, {"text": "three"})
    lines = talk("my grayword story", "go on", "/new", "go on")
    assert [line for line in lines if line.startswith("? ESCALATE")] != []
    assert lines[-2:] == ["  a new conversation", "  three"]


def test_bytes_that_are_no_utf8_and_control_characters_are_no_danger(talk: Any) -> None:
    lines = talk(b"/x\xff\x1b[2J\xc2\x9b\xe2\x80\xae", b"/why \x00\xfe")
    assert len(lines) == 2
    assert "\x1b" not in "".join(lines)


def test_a_result_with_escape_sequences_is_shown_harmless(talk: Any, folder: Path) -> None:
    (folder / "evil.txt").write_bytes("\x1b]0;x\x07\r● write_file\n\u202egpj".encode())
    lines = talk('/call read_file {"path": "evil.txt"}')
    assert "  │ ‹U+001B›]0;x‹U+0007›‹U+000D›● write_file" in lines
    assert "  │ ‹U+202E›gpj" in lines
