"""`so8t review edit` and `reopen`. Marker words stand in for the safety model; tools and rules are the real ones."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from marker import opener, save_head
from so8t.agent import build
from so8t.agent.cli.main import cli
from so8t.gate.contract import Call

Run = Callable[..., Result]
RULE = """
[[gate.rule]]
name = "no-salaries"
tool = "write_file"
arguments = { content = { contains = "salaries" } }
decision = "refuse"
reason = "salaries do not belong in files"
"""


@pytest.fixture(autouse=True)
def gate(tmp_path: Path, database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The gate decides by marker words, under the rules of agent.toml."""
    monkeypatch.setattr(build, "open_gate", opener(save_head(tmp_path / "head")))


def words(**arguments: Any) -> str:
    return json.dumps(arguments, ensure_ascii=False)


def test_an_edited_call_waits_with_a_new_digest_that_an_approval_must_name(run: Run, waiting: Any, now: Any) -> None:
    item = waiting()
    done = run("edit", item.id, "--arguments", words(path="メモ2.txt", content="one"), "--reviewer", "Aya", "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.output)
    assert found["arguments"] == {"path": "メモ2.txt", "content": "one"}
    assert (found["edited_by"], found["state"], found["proposed_digest"]) == ("Aya", "pending", item.digest)
    assert found["edited_verdict"]["decision"] in ("ALLOW", "ESCALATE")
    assert found["edited_verdict"]["probabilities"] is not None
    assert run("approve", item.id, "--digest", item.digest).exit_code == 1
    assert run("approve", item.id, "--digest", found["digest"]).exit_code == 0
    after = now(item.id)
    assert (after.state, after.digest) == ("approved", Call.of("write_file", found["arguments"]).digest)


def test_show_tells_what_was_proposed_and_who_edited_it(run: Run, waiting: Any) -> None:
    item = waiting()
    run("edit", item.id, "--arguments", words(path="b.txt", content="new"), "--reviewer", "Aya\u202e")
    text = run("show", item.id).output
    assert text.index('"path": "b.txt"') < text.index("EDITED") < text.index('"path": "メモ.txt"')
    assert "\u202e" not in text


def test_arguments_are_read_from_a_file_and_from_standard_input(
    run: Run, waiting: Any, now: Any, tmp_path: Path
) -> None:
    one, two = waiting(), waiting()
    (tmp_path / "new.json").write_text(words(path="b.txt", content="メモ"), encoding="utf-8")
    assert run("edit", one.id, "--file", str(tmp_path / "new.json")).exit_code == 0
    done = CliRunner().invoke(cli, ["review", "edit", two.id, "--file", "-"], input=words(path="c.txt", content="x"))
    assert done.exit_code == 0, done.output
    assert json.loads(now(one.id).arguments_json)["content"] == "メモ"
    assert json.loads(now(two.id).arguments_json)["path"] == "c.txt"


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ("{", "no valid call"),
        ('{"path": "a", "path": "b", "content": "x"}', "no valid call"),
        ('{"path": "a", "content": NaN}', "no valid call"),
        ("[]", "JSON object"),
        ("3", "JSON object"),
        ("", "no valid call"),
        ('{"path": "a"}', "content"),
        ('{"path": 1, "content": "x"}', "path"),
        ('{"path": "a", "content": "x", "more": 1}', "more"),
    ],
)
def test_what_the_tool_does_not_take_is_one_clear_line_and_changes_nothing(
    run: Run, waiting: Any, now: Any, arguments: str, why: str
) -> None:
    item = waiting()
    done = run("edit", item.id, "--arguments", arguments)
    assert done.exit_code == 1
    assert why in done.output
    assert len(done.output.splitlines()) == 1
    assert now(item.id) == item


@pytest.mark.parametrize("content", ["blackword", "the salaries of all"])
def test_what_the_gate_refuses_is_recorded_and_cannot_be_approved(
    run: Run, waiting: Any, now: Any, tmp_path: Path, content: str
) -> None:
    (tmp_path / "agent.toml").write_text(RULE, encoding="utf-8")
    item = waiting()
    done = run("edit", item.id, "--arguments", words(path="a.txt", content=content), "--reviewer", "Aya")
    assert (done.exit_code, "the gate refuses the edited call" in done.output) == (4, True)
    assert now(item.id) == item
    digest = Call.of("write_file", {"path": "a.txt", "content": content}).digest
    assert run("approve", item.id, "--digest", digest).exit_code == 1
    history = run("history", item.id).output
    assert "edit refused by Aya" in history
    assert content[:5] in history


def test_a_tool_that_only_the_agent_has_is_judged_by_what_is_known_of_it(run: Run, desktop: Any) -> None:
    desktop.now = datetime.now(UTC)  # the command line goes by the real clock
    item = desktop.waiting("ship_parcel", to="Bonn")
    assert run("edit", item.id, "--arguments", words(to="blackword")).exit_code == 4
    assert run("edit", item.id, "--arguments", words(to="Kyoto")).exit_code == 0
    assert run("edit", item.id, "--arguments", "[]").exit_code == 1
    assert desktop.queue.get(item.id).arguments_json == '{"to":"Kyoto"}'


def test_an_edit_of_a_call_that_somebody_else_edited_meanwhile_is_refused(run: Run, waiting: Any, now: Any) -> None:
    item = waiting()
    run("edit", item.id, "--arguments", words(path="1", content="x"), "--reviewer", "Aya")
    done = run("edit", item.id, "--arguments", words(path="2", content="x"), "--digest", item.digest)
    assert (done.exit_code, "look at it again" in done.output) == (1, True)
    assert json.loads(now(item.id).arguments_json)["path"] == "1"


def test_without_arguments_and_a_terminal_nothing_is_edited(run: Run, waiting: Any, now: Any) -> None:
    item = waiting()
    for more in ((), ("--arguments", "{}", "--file", "-")):
        assert run("edit", item.id, *more).exit_code == 2
    assert now(item.id) == item


def test_a_refused_call_waits_again_and_can_be_approved(run: Run, waiting: Any, now: Any) -> None:
    item = waiting()
    run("refuse", item.id, "--reason", "no", "--reviewer", "Aya")
    done = run("reopen", item.id, "--reason", "the customer asked again", "--hours", "1", "--reviewer", "Bob")
    assert (done.exit_code, done.output) == (0, f"reopened: write_file ({item.id}) waits again\n")
    assert now(item.id).state == "pending"
    assert run("list").output.startswith(item.id)
    assert run("approve", item.id, "--digest", item.digest, "--reviewer", "Bob").exit_code == 0
    history = run("history", item.id).output
    assert "refused by Aya: no" in history
    assert "reopened by Bob: the customer asked again" in history


def test_an_expired_call_waits_again_for_as_long_as_the_settings_say(run: Run, waiting: Any, now: Any) -> None:
    item = waiting(ago=100)
    run("refuse", item.id, "--reason", "too late")  # the clock was first
    found = json.loads(run("reopen", item.id, "--reason", "we were away", "--json").output)
    assert found["state"] == "pending"
    assert 71 < (now(item.id).expires - now(item.id).created).total_seconds() / 3600 - 100 <= 72.1


def test_what_waits_or_was_approved_is_not_reopened(run: Run, waiting: Any, now: Any) -> None:
    open_, approved = waiting(), waiting()
    run("approve", approved.id, "--digest", approved.digest)
    for item in (open_, approved):
        before = now(item.id)
        done = run("reopen", item.id, "--reason", "again")
        assert (done.exit_code, "can be reopened" in done.output) == (1, True)
        assert now(item.id) == before
    assert run("reopen", open_.id).exit_code == 2
    assert run("reopen", open_.id, "--reason", " ").exit_code == 1
