"""`so8t review`, `list` and `show` without a terminal."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

Run = Callable[..., Result]


def test_the_list_says_what_waits_how_long_for_whom_and_why(run: Run, waiting: Any) -> None:
    first, second = waiting(ago=3), waiting()
    lines = run("list").output.splitlines()
    assert [line[:8] for line in lines] == [first.id, second.id]
    for word in (
        "3h",
        "pending",
        "write_file",
        "write",
        "ken@desk:/srv/shop",
        "the head is not sure; files of the shop",
    ):
        assert word in lines[0]


def test_without_a_terminal_and_without_a_subcommand_it_is_the_list(run: Run, waiting: Any) -> None:
    waiting()
    assert run().output == run("list").output
    assert run().exit_code == 0


def test_an_empty_queue_is_said_and_is_no_error(run: Run) -> None:
    assert (run("list").output, run("list").exit_code) == ("no call waits\n", 0)
    assert run("list", "--json").output == ""


def test_json_has_one_object_a_line_with_everything_in_it(run: Run, waiting: Any) -> None:
    item, other = waiting(), waiting(path="b")
    listed = [json.loads(line) for line in run("list", "--json").output.splitlines()]
    assert [entry["id"] for entry in listed] == [item.id, other.id]
    shown = json.loads(run("show", item.id, "--json").output)
    assert shown == listed[0]
    assert shown["arguments"] == {"path": "メモ.txt", "content": "one\ntwo"}
    assert (shown["digest"], shown["state"], shown["owner"]) == (item.digest, "pending", "ken@desk:/srv/shop")
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
        *(
            "ESCALATE by policy",
            "ESCALATE (policy, rule shop-files): files of the shop",
            "ken@desk:/srv/shop",
            "session s1",
        ),
        *(item.created.strftime("%Y-%m-%d %H:%M:%SZ"), item.expires.strftime("%Y-%m-%d %H:%M:%SZ"), "in 2d", "MiniLM"),
    ):
        assert word in text, word


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
    run: Run, waiting: Any, by_hand: Any, change: str
) -> None:
    waiting()
    by_hand(f"UPDATE review_item SET {change}")
    done = run("list", "--json")
    assert done.exit_code == 1
    assert done.output.startswith("Error: ")
    assert "so8t audit verify" in done.output


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
