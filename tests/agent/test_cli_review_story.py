"""A call's way through the programs: `so8t run` proposes, `so8t review` edits and reopens, `so8t run` goes on."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

So8t = Callable[..., Any]
pytestmark = pytest.mark.usefixtures("marker_gate")


def write_file(content: str, path: str = "note.txt") -> dict[str, Any]:
    return {"calls": [{"name": "write_file", "arguments": {"path": path, "content": content}}]}


def proposed(so8t: So8t, script: Any) -> dict[str, Any]:
    """A call that waits."""
    script(write_file("grayword"), {"text": "It waits."})
    assert so8t("run", "-p", "write a word into note.txt").code == 3
    found: dict[str, Any] = so8t("review", "list", "--json").json[0]
    return found


def test_an_edited_and_approved_call_runs_as_edited_and_is_told_so(so8t: So8t, script: Any, folder: Path) -> None:
    item = proposed(so8t, script)
    new = json.dumps({"path": "other.txt", "content": "hello"})
    edited = so8t("review", "edit", item["id"], "--arguments", new, "--reviewer", "Aya", "--json").json[0]
    assert so8t("review", "approve", item["id"], "--digest", edited["digest"]).code == 0
    script({"text": "I wrote other.txt."})
    done = so8t("run", "--reviews")
    assert done.code == 0
    assert "Aya changed the arguments of write_file" in done.out
    assert (folder / "other.txt").read_text(encoding="utf-8") == "hello"
    assert not (folder / "note.txt").exists()
    why = so8t("why", item["id"]).out
    assert "edited by Aya" in why
    assert 'arguments now: {"content":"hello","path":"other.txt"}' in why
    assert so8t("audit", "verify").code == 0


def test_a_refused_call_that_is_reopened_and_approved_runs_in_the_next_program(
    so8t: So8t, script: Any, folder: Path
) -> None:
    item = proposed(so8t, script)
    so8t("review", "refuse", item["id"], "--reason", "no")
    assert so8t("run", "--reviews").code == 4
    assert so8t("review", "reopen", item["id"], "--reason", "the user called").code == 0
    assert so8t("review", "approve", item["id"], "--digest", item["digest"]).code == 0
    script({"text": "I wrote it after all."})
    assert so8t("run", "--reviews").code == 0
    assert (folder / "note.txt").read_text(encoding="utf-8") == "grayword"
    assert so8t("audit", "verify").code == 0


def test_the_setting_limits_what_waits_and_the_user_sees_why(so8t: So8t, script: Any, folder: Path) -> None:
    script({"calls": [*write_file("grayword")["calls"], *write_file("grayword", "b.txt")["calls"]]}, {"text": "So."})
    with (folder / "agent.toml").open("a", encoding="utf-8") as file:
        file.write("\n[review]\nmost_of_session = 1\n")
    done = so8t("run", "-p", "write two files")
    assert done.code == 4
    assert "too many calls of this session wait for a reviewer (1, review.most_of_session)" in " ".join(
        done.out.split()
    )
    assert len(so8t("review", "list", "--json").json) == 1
