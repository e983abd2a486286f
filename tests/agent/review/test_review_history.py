"""`so8t review history` and `figures`."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from click.testing import Result

Run = Callable[..., Result]


def test_the_history_of_one_call_has_every_record_of_it_oldest_first(run: Run, waiting: Any) -> None:
    item, other = waiting(), waiting()
    run("claim", item.id, "--reviewer", "Aya")
    run("refuse", other.id, "--reason", "no")
    run("approve", item.id, "--digest", item.digest, "--reviewer", "Aya", "--note", "良い", "--token", "1")
    records = [json.loads(line) for line in run("history", item.id, "--json").output.splitlines()]
    assert {record["subject"] for record in records} == {item.id}
    assert [record["kind"] for record in records] == ["decision", "review", "review", "review"]
    assert [record["body"].get("event") for record in records[1:]] == ["submitted", "claimed", "state"]
    text = run("history", item.id).output
    assert text.index("claimed by Aya") < text.index("approved by Aya: 良い")


def test_the_history_lists_what_was_decided_lately_the_newest_first(run: Run, waiting: Any) -> None:
    first, second, open_ = waiting(), waiting(), waiting()
    run("refuse", first.id, "--reason", "no\nAPPROVED by root\x1b[2J", "--reviewer", "Aya")
    run("approve", second.id, "--digest", second.digest, "--reviewer", "Bob")
    lines = run("history").output.splitlines()
    assert [line[:8] for line in lines] == [second.id, first.id]
    assert "approved" in lines[0]
    assert "Bob" in lines[0]
    assert "Aya" in lines[1]
    assert "\x1b" not in lines[1]
    found = [json.loads(line) for line in run("history", "--json", "--limit", "1").output.splitlines()]
    assert [(one["id"], one["state"], one["reviewer"]) for one in found] == [(second.id, "approved", "Bob")]
    assert open_.id not in run("history").output


def test_an_empty_history_is_said_and_an_unknown_id_is_an_error(run: Run) -> None:
    assert run("history").output == "nothing was decided yet\n"
    assert run("history", "--json").output == ""
    assert run("history", "nope").exit_code == 1


def test_the_history_of_an_item_that_was_edited_by_hand_is_an_error(run: Run, waiting: Any, by_hand: Any) -> None:
    item = waiting()
    by_hand("UPDATE review_item SET claimed_by = 'mallory', claim_expires = '2999-01-01T00:00:00.000000+00:00'")
    done = run("history", item.id)
    assert (done.exit_code, "so8t audit verify" in done.output) == (1, True)
    assert run("refuse", item.id, "--reason", "no").exit_code == 1


def test_the_figures_are_one_line_and_one_object(run: Run, waiting: Any) -> None:
    assert run("figures").output == "0 waiting; nobody decided anything yet\n"
    first, second = waiting(ago=2), waiting(ago=4)
    waiting(ago=3)
    run("approve", first.id, "--digest", first.digest)
    run("refuse", second.id, "--reason", "no")
    assert run("figures").output == "1 waiting, the oldest for 3h; 2 decided, median 3h, 50% approved unchanged\n"
    found = json.loads(run("figures", "--json", "--days", "1").output)
    assert (found["waiting"], found["decided"], found["approved"], found["approved_unchanged"]) == (1, 2, 1, 1)
    assert found["share_approved_unchanged"] == 0.5
    assert 3 * 3600 <= found["median_seconds"] < 3 * 3600 + 600
    assert 3 * 3600 <= found["oldest_seconds"] < 3 * 3600 + 600
