"""`so8t run`: what it prints, what it exits with, and reviews that are taken up later."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

So8t = Callable[..., Any]
pytestmark = pytest.mark.usefixtures("marker_gate")


def write_file(content: str, path: str = "note.txt") -> dict[str, Any]:
    return {"calls": [{"name": "write_file", "arguments": {"path": path, "content": content}}]}


def waiting(so8t: So8t) -> dict[str, Any]:
    found: dict[str, Any] = so8t("review", "list", "--json").json[0]
    return found


def test_an_allowed_call_runs_and_the_exit_code_is_0(so8t: So8t, script: Any, folder: Path) -> None:
    script(write_file("hello"), {"text": "I wrote it."})
    done = so8t("run", "-p", "write hello into note.txt")
    assert (done.code, done.err) == (0, "")
    assert "ALLOW" in done.out
    assert done.out.endswith("I wrote it.\n")
    assert (folder / "note.txt").read_text(encoding="utf-8") == "hello"


def test_a_call_that_waits_is_exit_code_3(so8t: So8t, script: Any, folder: Path) -> None:
    script(write_file("grayword"), {"text": "It waits."})
    done = so8t("run", "-p", "write a word into note.txt")
    assert done.code == 3
    assert f"so8t review approve {waiting(so8t)['id']}" in done.out
    assert not (folder / "note.txt").exists()


def test_a_refused_call_is_exit_code_4(so8t: So8t, script: Any, folder: Path) -> None:
    script(write_file("blackword"), {"text": "I may not."})
    done = so8t("run", "-p", "write a word into note.txt")
    assert done.code == 4
    assert not (folder / "note.txt").exists()


def test_a_refused_turn_is_exit_code_4_and_the_model_is_not_asked(so8t: So8t, script: Any) -> None:
    script({"text": "I should not be asked."})
    done = so8t("run", "-p", "a blackword wish")
    assert done.code == 4
    assert "I should not be asked" not in done.out


def test_a_model_that_cannot_be_reached_is_exit_code_1_and_one_line(so8t: So8t, folder: Path) -> None:
    engine = '[model]\nengine = "openai"\nopenai.base_url = "http://127.0.0.1:9/v1"\nopenai.model = "x"\n'
    (folder / "agent.toml").write_text(engine, encoding="utf-8")
    so8t("run", "-p", "hello").failed("http://127.0.0.1:9/v1")
    assert so8t("run", "-p", "hello", "--json").json[-2]["kind"] == "failed"


def test_as_json_every_line_is_an_event(so8t: So8t, script: Any) -> None:
    script(
        write_file("hello"), write_file("grayword"), write_file("blackword"), {"calls": [{"name": "x"}]}, {"text": "h"}
    )
    done = so8t("run", "-p", "write", "--json")
    assert done.code == 4
    kinds = [event["kind"] for event in done.json if event["kind"] not in ("answer", "delta")]
    assert kinds == ["turn", "verdict", "outcome", "verdict", "verdict", "invalid", "end"]
    turn, allowed, outcome, waits = [event for event in done.json if event["kind"] not in ("answer", "delta")][:4]
    assert turn["text"] == "write"
    assert allowed["call"]["arguments"] == {"path": "note.txt", "content": "hello"}
    assert allowed["verdict"]["decision"] == "ALLOW"
    assert sum(allowed["verdict"]["probabilities"]) == pytest.approx(1)
    assert (outcome["call"]["id"], outcome["outcome"]["status"]) == (allowed["call"]["id"], "done")
    assert waits["call"]["id"] == waiting(so8t)["id"]


def test_the_prompt_may_come_from_standard_input(so8t: So8t, script: Any) -> None:
    script({"text": "はい"})
    done = so8t("run", "-p", "-", "--json", stdin="会議は何時\n".encode())
    assert [done.json[0]["text"], done.json[-2]["text"]] == ["会議は何時", "はい"]


@pytest.mark.parametrize("stdin", [b"a\xff\xfeb", b"\x1b]0;title\x07", b"\xc2\x9b2J", "\u202etxt.exe".encode(), b"\0"])
@pytest.mark.parametrize("options", [(), ("--json",)])
def test_terminal_bytes_of_any_side_never_reach_the_terminal(
    so8t: So8t, script: Any, stdin: bytes, options: tuple[str, ...]
) -> None:
    said = stdin.decode("utf-8", "replace")
    script({"calls": [{"name": said, "arguments": {said: said}}]}, write_file(said), {"text": said})
    done = so8t("run", "-p", "-", *options, stdin=stdin)
    assert done.code in (0, 3, 4)
    assert not [c for c in done.out + done.err if c in "\x1b\x07\x9b\u202e\0"]


@pytest.mark.parametrize("prompt", ["", "  \n"])
def test_an_empty_prompt_is_a_wrong_command_line(so8t: So8t, script: Any, prompt: str) -> None:
    script()
    so8t("run", "-p", prompt).failed(code=2)
    so8t("run", "-p", "-", stdin=prompt.encode()).failed(code=2)


def test_an_approval_is_taken_up_by_the_next_run_once(so8t: So8t, script: Any, folder: Path) -> None:
    script(write_file("grayword"), {"text": "It waits."})
    so8t("run", "-p", "write a word into note.txt")
    item = waiting(so8t)
    assert so8t("review", "approve", item["id"], "--digest", item["digest"]).code == 0
    script({"text": "Now it is written."})
    done = so8t("run", "--reviews")
    assert done.code == 0
    assert "Now it is written." in done.out
    assert (folder / "note.txt").read_text(encoding="utf-8") == "grayword"
    assert so8t("run", "--reviews").out == ""
    assert so8t("audit", "verify").code == 0


def test_a_reviewers_refusal_is_told_by_the_next_run_with_exit_code_4(so8t: So8t, script: Any, folder: Path) -> None:
    script(write_file("grayword"), {"text": "It waits."})
    so8t("run", "-p", "write a word into note.txt")
    assert so8t("review", "refuse", waiting(so8t)["id"], "--reason", "not today").code == 0
    script()
    done = so8t("run", "--reviews")
    assert done.code == 4
    assert "not today" in done.out
    assert not (folder / "note.txt").exists()


def test_a_rule_of_the_operator_counts(so8t: So8t, script: Any, folder: Path) -> None:
    script(write_file("hello"), {"text": "No."})
    rule = '[[gate.rule]]\nname = "no-notes"\ntool = "write_*"\ndecision = "refuse"\nreason = "no notes here"\n'
    with (folder / "agent.toml").open("a", encoding="utf-8") as file:
        file.write(rule)
    done = so8t("run", "-p", "write hello into note.txt")
    assert done.code == 4
    assert "no notes here" in done.out
