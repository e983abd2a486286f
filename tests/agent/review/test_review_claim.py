"""`so8t review claim`, `renew` and `release`, and what a program needs of them: tokens, JSON, exit codes."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import Result

Run = Callable[..., Result]
TAKEN = 7


def as_json(done: Result) -> Any:
    assert done.exit_code == 0, done.output
    return json.loads(done.output)


def test_a_program_claims_keeps_its_claim_and_decides_with_its_token(run: Run, waiting: Any, now: Any) -> None:
    item, bot = waiting(), ("--reviewer", "bot-7", "--json")
    claimed = as_json(run("claim", item.id, "--seconds", "600", *bot))
    assert (claimed["claimed_by"], claimed["claim_token"], claimed["state"]) == ("bot-7", 1, "pending")
    renewed = as_json(run("renew", item.id, "--token", "1", "--seconds", "900", *bot))
    assert renewed["claim_expires"] > claimed["claim_expires"]
    done = as_json(run("approve", item.id, "--digest", item.digest, "--token", "1", *bot))
    assert (done["state"], done["reviewer"], done["claimed_by"]) == ("approved", "bot-7", None)


def test_the_claim_is_told_in_words_with_its_token_and_shown(run: Run, waiting: Any) -> None:
    item = waiting()
    assert run("claim", item.id, "--reviewer", "Aya").output == f"claimed: write_file ({item.id}) for 120 s, token 1\n"
    assert "by Aya until" in run("show", item.id).output
    assert "token 1" in run("renew", item.id, "--token", "1", "--reviewer", "Aya").output
    assert run("release", item.id, "--token", "1", "--reviewer", "Aya").output.startswith("released: write_file")
    assert "by Aya until" not in run("show", item.id).output


def test_the_loser_is_told_who_holds_the_item_or_who_decided_what(run: Run, waiting: Any, now: Any) -> None:
    item = waiting()
    run("claim", item.id, "--reviewer", "Aya")
    for words in (
        ("claim", item.id),
        ("approve", item.id, "--digest", item.digest),
        ("approve", item.id),
        ("refuse", item.id, "--reason", "no"),
        ("edit", item.id, "--arguments", "{}"),
    ):
        done = run(*words, "--reviewer", "Bob")
        assert (done.exit_code, "claimed by Aya until" in done.output) == (TAKEN, True), done.output
        assert len(done.output.splitlines()) == 1
    run("refuse", item.id, "--reason", "not on a Friday", "--reviewer", "Aya", "--token", "1")
    for words in (("claim", item.id), ("renew", item.id, "--token", "1"), ("release", item.id, "--token", "1")):
        done = run(*words, "--reviewer", "Bob")
        assert done.exit_code == TAKEN
        assert "refused already (decided by Aya" in done.output
        assert "not on a Friday" in done.output
    assert now(item.id).reviewer == "Aya"


def test_an_old_token_decides_nothing(run: Run, waiting: Any, now: Any) -> None:
    item, aya = waiting(), ("--reviewer", "Aya")
    run("claim", item.id, *aya)
    run("release", item.id, "--token", "1", *aya)
    run("claim", item.id, *aya)
    for words in (("approve", "--digest", item.digest), ("refuse", "--reason", "no"), ("edit", "--arguments", "{}")):
        done = run(words[0], item.id, *words[1:], "--token", "1", *aya)
        assert done.exit_code == TAKEN
        assert "with the token 2" in done.output
    assert now(item.id).state == "pending"


@pytest.mark.parametrize(
    "words",
    [
        ("claim", "ID", "--seconds", "0"),
        ("renew", "ID"),
        ("release", "ID"),
        ("release", "ID", "--token", "0"),
        ("refuse", "ID", "other", "--reason", "x", "--token", "1"),
        ("refuse", "--reason", "x"),
    ],
)
def test_a_wrong_command_line_changes_nothing(run: Run, waiting: Any, now: Any, words: tuple[str, ...]) -> None:
    item = waiting()
    assert run(*(item.id if word == "ID" else word for word in words)).exit_code == 2
    assert now(item.id) == item


@pytest.mark.parametrize("command", ["claim", "renew", "release", "reopen", "edit"])
def test_nothing_is_done_in_nobodys_name(run: Run, waiting: Any, now: Any, command: str) -> None:
    item = waiting()
    if command == "reopen":
        run("refuse", item.id, "--reason", "no")
    before = now(item.id)
    more = {"renew": ("--token", "1"), "release": ("--token", "1"), "reopen": ("--reason", "x")}
    done = run(
        command, item.id, *more.get(command, ()), "--reviewer", " ", *(["--arguments", "{}"] * (command == "edit"))
    )
    assert done.exit_code == 1
    assert now(item.id) == before


@pytest.mark.parametrize("command", ["claim", "renew", "release", "edit", "reopen", "history", "figures"])
def test_every_help_page_has_an_example(run: Run, command: str) -> None:
    done = run(command, "--help")
    assert done.exit_code == 0
    assert f"Example: so8t review {command}" in done.output


def test_the_exit_codes_are_on_the_help_page(run: Run) -> None:
    text = " ".join(run("--help").output.split())
    for code in ("0 it is done", "1 an error", "2 a wrong command line", "4 the edited call is refused", "7 somebody"):
        assert code in text
