"""`so8t review refuse ID ID ...`: many at once, each decided for itself. There is no such thing for approving."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from click.testing import Result

Run = Callable[..., Result]


def test_many_are_refused_at_once_with_one_reason_and_a_record_each(run: Run, waiting: Any, now: Any) -> None:
    items, rest = [waiting(path=str(n)) for n in range(3)], waiting()
    done = run("refuse", *(item.id for item in items), "--reason", "a flood", "--reviewer", "Aya")
    assert done.exit_code == 0
    assert [line.split()[0] for line in done.output.splitlines()] == ["refused:"] * 3
    for item in items:
        found = now(item.id)
        assert (found.state, found.reviewer, found.reviewer_reason) == ("refused", "Aya", "a flood")
    assert now(rest.id).state == "pending"


def test_one_that_cannot_be_refused_does_not_stop_the_others(run: Run, waiting: Any, now: Any) -> None:
    first, decided, last = waiting(), waiting(), waiting()
    run("approve", decided.id, "--digest", decided.digest, "--reviewer", "Aya")
    done = run("refuse", first.id, "nope", decided.id, last.id, "--reason", "no")
    assert done.exit_code == 7
    assert "no review 'nope'" in done.output
    assert f"{decided.id} is approved already (decided by Aya" in done.output
    assert (now(first.id).state, now(decided.id).state, now(last.id).state) == ("refused", "approved", "refused")


def test_a_program_reads_one_object_for_each(run: Run, waiting: Any) -> None:
    first, last = waiting(), waiting()
    done = run("refuse", first.id, "nope", last.id, "--reason", "no", "--json")
    found = [json.loads(line) for line in done.output.splitlines() if line.startswith("{")]
    assert [(one["id"], one.get("state")) for one in found] == [
        (first.id, "refused"),
        (last.id, "refused"),
        ("nope", None),
    ]
    assert "no review 'nope'" in found[2]["error"]


def test_an_id_that_is_named_twice_is_refused_once(run: Run, waiting: Any) -> None:
    item = waiting()
    assert run("refuse", item.id, item.id, "--reason", "no").exit_code == 0


def test_nothing_approves_many_at_once(run: Run, waiting: Any, now: Any) -> None:
    one, two = waiting(path="same"), waiting(path="same")
    assert run("approve", one.id, two.id, "--digest", one.digest).exit_code == 2
    assert now(one.id).state == now(two.id).state == "pending"
