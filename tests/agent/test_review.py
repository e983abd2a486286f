"""`so8t review list | show | approve | refuse`, through the command line, on a real trail."""

from __future__ import annotations

import getpass
import json
import sqlite3
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from so8t.agent.cli.main import cli
from so8t.audit_db import Masker, ReviewItem, ReviewQueue, Store, Trail
from so8t.gate.contract import (
    Call,
    Decision,
    Effect,
    Finding,
    Message,
    Proposal,
    Source,
    Thresholds,
    ToolSpec,
    Verdict,
    Versions,
)

OWNER = "ken@desk:/work/shop"
Run = Callable[..., Result]


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty data folder and an empty agent.toml, for this test only."""
    (tmp_path / "agent.toml").touch()
    monkeypatch.setenv("SO8T_DATA", str(tmp_path))
    monkeypatch.setenv("SO8T_CONFIG", str(tmp_path / "agent.toml"))
    return tmp_path / "so8t.db"


@pytest.fixture
def run(database: Path) -> Run:
    return lambda *words: CliRunner().invoke(cli, ["review", *words])


@pytest.fixture
def waiting(database: Path) -> Iterator[Callable[..., ReviewItem]]:
    """Puts a call into the queue, as an agent does after an ESCALATE."""
    stores: list[Store] = []

    def submit(ago: float = 0, **arguments: Any) -> ReviewItem:
        then = datetime.now(UTC) - timedelta(hours=ago)
        stores.append(Store.open(f"sqlite:///{database}", Masker(), clock=lambda: then))
        tool = ToolSpec("write_file", "Writes a file.", frozenset({Effect.WRITE}))
        call = Call.of("write_file", arguments or {"path": "メモ.txt", "content": "one\ntwo"})
        findings = (
            Finding(Source.HEAD, Decision.ESCALATE, "the head is not sure"),
            Finding(Source.POLICY, Decision.ESCALATE, "files of the shop", "shop-files"),
        )
        numbers = (0.25, 0.7, 0.05), Thresholds(0.93, 0.81), 4.0
        versions = Versions("p" * 64, "h" * 64, "MiniLM", "1")
        verdict = Verdict(Decision.ESCALATE, Source.POLICY, findings, call.digest, versions, *numbers)
        words = "売上をメモして"
        Trail(stores[-1]).decided("s1", Proposal((Message("user", words),), tool, call), verdict)
        return ReviewQueue(stores[-1]).submit("s1", OWNER, call, tool, verdict, words, timedelta(hours=72))

    yield submit
    for store in stores:
        store.close()


@pytest.fixture
def now(database: Path) -> Callable[[str], ReviewItem]:
    """An item as it is now in the database."""

    def read(id: str) -> ReviewItem:
        with Store.open(f"sqlite:///{database}", Masker()) as store:
            assert Trail(store).verify().ok
            return ReviewQueue(store).get(id)

    return read


def test_the_list_says_what_waits_how_long_for_whom_and_why(run: Run, waiting: Any) -> None:
    first, second = waiting(ago=3), waiting()
    lines = run("list").output.splitlines()
    assert [line[:8] for line in lines] == [first.id, second.id]
    for word in ("3h", "pending", "write_file", "write", OWNER, "the head is not sure; files of the shop"):
        assert word in lines[0]


def test_without_a_terminal_and_without_a_subcommand_it_is_the_list(run: Run, waiting: Any) -> None:
    waiting()
    assert run().output == run("list").output
    assert run().exit_code == 0


def test_an_empty_queue_is_said_and_is_no_error(run: Run) -> None:
    assert (run("list").output, run("list").exit_code) == ("no call waits\n", 0)
    assert run("list", "--json").output == ""


def test_what_was_decided_or_came_too_late_is_listed_only_with_all(run: Run, waiting: Any) -> None:
    late, refused, open_ = waiting(ago=100), waiting(), waiting()
    run("refuse", refused.id, "--reason", "no")
    assert [line[:8] for line in run("list").output.splitlines()] == [open_.id]
    every = {line[:8]: line for line in run("list", "--all").output.splitlines()}
    assert list(every) == [late.id, refused.id, open_.id]
    assert "overdue" in every[late.id]
    assert "refused" in every[refused.id]


def test_json_has_one_object_a_line_with_everything_in_it(run: Run, waiting: Any) -> None:
    item, other = waiting(), waiting(path="b")
    listed = [json.loads(line) for line in run("list", "--json").output.splitlines()]
    assert [entry["id"] for entry in listed] == [item.id, other.id]
    shown = json.loads(run("show", item.id, "--json").output)
    assert shown == listed[0]
    assert shown["arguments"] == {"path": "メモ.txt", "content": "one\ntwo"}
    assert (shown["digest"], shown["state"], shown["owner"]) == (item.digest, "pending", OWNER)
    assert shown["verdict"]["probabilities"] == [0.25, 0.7, 0.05]
    assert datetime.fromisoformat(shown["expires"]) == item.expires
    assert "メモ.txt" in run("show", item.id, "--json").output


def test_show_tells_the_whole_call_and_the_whole_verdict(run: Run, waiting: Any) -> None:
    item = waiting()
    text = run("show", item.id).output
    size = len(item.arguments_json.encode())
    for word in (
        *("write_file", f"{size} bytes", item.digest, '"path": "メモ.txt"', '"content": "one\\n', "売上をメモして"),
        *("ALLOW 0.250, ESCALATE 0.700, REFUSE 0.050", "ALLOW needs 0.930, REFUSE needs 0.810"),
        *("ESCALATE by policy", "ESCALATE (policy, rule shop-files): files of the shop", OWNER, "session s1"),
        *(item.created.strftime("%Y-%m-%d %H:%M:%SZ"), item.expires.strftime("%Y-%m-%d %H:%M:%SZ"), "in 2d", "MiniLM"),
    ):
        assert word in text, word


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


def test_what_was_decided_cannot_be_decided_again(run: Run, waiting: Any, now: Any) -> None:
    item = waiting()
    run("refuse", item.id, "--reason", "no")
    for words in (["approve", item.id], ["approve", item.id, "--digest", item.digest]):
        done = run(*words)
        assert done.exit_code == 1
        assert done.output.splitlines() == [f"Error: the review {item.id} is refused already"]
    assert run("refuse", item.id, "--reason", "no").exit_code == 1
    assert now(item.id).state == "refused"


def test_what_came_too_late_cannot_be_decided(run: Run, waiting: Any, now: Any) -> None:
    late, later = waiting(ago=100), waiting(ago=90)
    done = run("approve", late.id, "--digest", late.digest)
    assert done.exit_code == 1
    assert "expired" in done.output
    assert run("refuse", later.id, "--reason", "no").exit_code == 1
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
    run: Run, waiting: Any, database: Path, change: str
) -> None:
    item = waiting()
    edit(database, f"UPDATE review_item SET {change}")
    for words in (("show",), ("approve", "--digest", item.digest), ("approve",), ("refuse", "--reason", "x")):
        done = run(words[0], item.id, *words[1:])
        assert done.exit_code == 1
        assert "so8t audit verify" in done.output
        assert len(done.output.splitlines()) == 1


@pytest.mark.parametrize(
    "change",
    [
        "created = 'x'",
        "expires = '2999-01-01'",
        "effects = '{'",
        "effects = '3'",
        "verdict = '{'",
        "arguments = '{'",
        "tool = x'ff'",
    ],
)
def test_a_queue_that_cannot_be_read_any_more_is_one_clear_line(
    run: Run, waiting: Any, database: Path, change: str
) -> None:
    waiting()
    edit(database, f"UPDATE review_item SET {change}")
    done = run("list", "--json")
    assert done.exit_code == 1
    assert done.output.startswith("Error: ")
    assert "so8t audit verify" in done.output


def edit(database: Path, statement: str) -> None:
    conn = sqlite3.connect(database)
    conn.execute(statement)
    conn.commit()
    conn.close()


@pytest.mark.parametrize("words", [[], ["list"], ["show"], ["approve"], ["refuse"]])
def test_every_help_page_has_an_example(run: Run, words: list[str]) -> None:
    done = run(*words, "--help")
    assert done.exit_code == 0
    assert f"Example: so8t review {' '.join(words)}".strip() in done.output


def test_without_a_database_there_is_one_clear_line(database: Path, run: Run) -> None:
    database.mkdir()
    done = run("list")
    assert done.exit_code == 1
    assert len(done.output.splitlines()) == 1
