"""`so8t review approve` and `refuse` without a terminal."""

from __future__ import annotations

import getpass
import json
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import CliRunner, Result

from so8t.agent.cli.main import cli

Run = Callable[..., Result]


def test_what_was_decided_or_came_too_late_is_listed_only_with_all(run: Run, waiting: Any) -> None:
    late, refused, open_ = waiting(ago=100), waiting(), waiting()
    run("refuse", refused.id, "--reason", "no")
    assert [line[:8] for line in run("list").output.splitlines()] == [open_.id]
    every = {line[:8]: line for line in run("list", "--all").output.splitlines()}
    assert list(every) == [late.id, refused.id, open_.id]
    assert "overdue" in every[late.id]
    assert "refused" in every[refused.id]


def test_an_approval_names_the_digest_and_the_reviewer(run: Run, waiting: Any, now: Any) -> None:
    item = waiting()
    done = run("approve", item.id, "--digest", item.digest.upper(), "--note", "fine", "--reviewer", "Aya")
    assert (done.exit_code, done.output) == (0, f"approved: write_file ({item.id}) may run once\n")
    found = now(item.id)
    assert (found.state, found.reviewer, found.reviewer_reason) == ("approved", "Aya", "fine")
    assert "by Aya" in run("show", item.id).output


def test_an_approval_of_another_digest_changes_nothing(run: Run, waiting: Any, now: Any) -> None:
    item, other = waiting(), waiting(path="other")
    for digest in (other.digest, item.digest[:12], "", "approve"):
        done = run("approve", item.id, "--digest", digest)
        assert done.exit_code == 1
        assert "look at it again" in done.output
    assert now(item.id).state == now(other.id).state == "pending"


def test_without_a_digest_and_a_terminal_nothing_is_approved_and_the_line_to_use_is_told(
    run: Run, waiting: Any, now: Any
) -> None:
    item = waiting()
    for typed in ("approve\n", "y\n", ""):
        done = CliRunner().invoke(cli, ["review", "approve", item.id], input=typed)
        assert done.exit_code == 1
        assert f"so8t review approve {item.id} --digest SHA256" in done.output
    assert now(item.id).state == "pending"


def test_a_refusal_carries_its_reason(run: Run, waiting: Any, now: Any) -> None:
    item = waiting()
    done = run("refuse", item.id, "--reason", " 今日はだめ ", "--json")
    assert done.exit_code == 0
    assert json.loads(done.output)["state"] == "refused"
    assert now(item.id).reviewer_reason == "今日はだめ"


@pytest.mark.parametrize(("words", "code"), [((), 2), (("--reason", ""), 1), (("--reason", " \t\n"), 1)])
def test_a_refusal_without_a_reason_is_an_error(
    run: Run, waiting: Any, now: Any, words: tuple[str, ...], code: int
) -> None:
    item = waiting()
    done = run("refuse", item.id, *words)
    assert done.exit_code == code
    assert "reason" in done.output
    assert now(item.id).state == "pending"


def test_the_reviewers_name_is_the_options_else_the_settings_else_the_login(
    run: Run, waiting: Any, now: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    login, setting, group, option = waiting(), waiting(), waiting(), waiting()
    run("refuse", login.id, "--reason", "x")
    monkeypatch.setenv("SO8T_REVIEW__REVIEWER", "Set")
    run("refuse", setting.id, "--reason", "x")
    run("--reviewer", "Group", "refuse", group.id, "--reason", "x")
    run("--reviewer", "Group", "approve", option.id, "--digest", option.digest, "--reviewer", "Option")
    names = [now(item.id).reviewer for item in (login, setting, group, option)]
    assert names == [getpass.getuser(), "Set", "Group", "Option"]


def test_a_decision_in_nobodys_name_is_an_error(run: Run, waiting: Any, now: Any) -> None:
    item = waiting()
    assert run("refuse", item.id, "--reason", "x", "--reviewer", " ").exit_code == 1
    assert now(item.id).state == "pending"


def test_what_was_decided_cannot_be_decided_again_and_the_loser_hears_by_whom_and_why(
    run: Run, waiting: Any, now: Any
) -> None:
    item = waiting()
    run("refuse", item.id, "--reason", "not today", "--reviewer", "Aya")
    for words in (["approve", item.id], ["approve", item.id, "--digest", item.digest]):
        done = run(*words, "--reviewer", "Bob")
        assert done.exit_code == 7
        assert len(done.output.splitlines()) == 1
        assert done.output.startswith(f"Error: the review {item.id} is refused already (decided by Aya ")
        assert "not today" in done.output
    assert run("refuse", item.id, "--reason", "no").exit_code == 7
    assert now(item.id).state == "refused"


def test_what_came_too_late_cannot_be_decided(run: Run, waiting: Any, now: Any) -> None:
    late, later = waiting(ago=100), waiting(ago=90)
    done = run("approve", late.id, "--digest", late.digest)
    assert done.exit_code == 7
    assert "expired" in done.output
    assert run("refuse", later.id, "--reason", "no").exit_code == 7
    assert now(late.id).state == now(later.id).state == "expired"


@pytest.mark.parametrize("words", [["show"], ["approve", "--digest", "x"], ["approve"], ["refuse", "--reason", "x"]])
def test_an_unknown_id_is_one_clear_line_with_the_ids_that_wait(run: Run, waiting: Any, words: list[str]) -> None:
    item = waiting()
    done = run(words[0], "nope\u202e", *words[1:])
    assert done.exit_code == 1
    assert len(done.output.splitlines()) == 1
    assert item.id in done.output
    assert "\u202e" not in done.output


@pytest.mark.parametrize(
    "change",
    ['arguments = \'{"path":"evil"}\'', "digest = 'x'", "owner = 'you'", "verdict = '{}'", "expires = '2999-01-01'"],
)
def test_an_item_that_was_edited_by_hand_is_neither_shown_nor_decided(
    run: Run, waiting: Any, by_hand: Any, change: str
) -> None:
    item = waiting()
    by_hand(f"UPDATE review_item SET {change}")
    for words in (("show",), ("approve", "--digest", item.digest), ("approve",), ("refuse", "--reason", "x")):
        done = run(words[0], item.id, *words[1:])
        assert done.exit_code == 1
        assert "so8t audit verify" in done.output
        assert len(done.output.splitlines()) == 1
