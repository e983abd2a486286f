"""What the queue costs people, and what was decided lately."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from so8t.audit_db import Figures, Revisions
from so8t.audit_db.figures import figures, lately
from so8t.gate.contract import Call, Decision

DAY = timedelta(days=1)


def test_an_empty_queue_has_no_figures_but_zeros(world: Any) -> None:
    found = figures(world.store)
    assert found == Figures(0, None, 0, None, 0, 0)
    assert found.share_approved_unchanged is None


def test_what_waits_how_long_and_what_people_decided(world: Any) -> None:
    start = world.clock.now
    first, second, third, edited, lapsed = (world.waiting(ttl=DAY) for _ in range(5))
    world.clock.forward(minutes=10)
    world.waiting(ttl=timedelta(minutes=1))  # nobody decides about it in time
    world.queue.approve(first.id, first.digest, "alice")
    world.clock.forward(minutes=10)
    world.queue.refuse(second.id, "alice", "no")
    call = Call.of("write_file", {"path": "b"}, edited.id)
    Revisions(world.store).edit(edited.id, edited.digest, call, world.verdict(Decision.ALLOW, call.digest), "alice")
    world.clock.forward(minutes=20)
    world.queue.approve(edited.id, call.digest, "alice")
    world.queue.cancel(lapsed.id, "agent", "changed my mind")
    world.queue.expire_due()
    found = figures(world.store)
    assert (found.waiting, found.oldest) == (1, start)
    assert (found.decided, found.approved, found.approved_unchanged) == (3, 2, 1)
    assert found.median == timedelta(minutes=20)
    assert found.share_approved_unchanged == 1 / 3
    assert third.id not in [item.id for item in lately(world.store, 10)]


def test_figures_since_a_time_leave_out_earlier_decisions(world: Any) -> None:
    early, late = world.waiting(ttl=DAY), world.waiting(ttl=DAY)
    world.queue.refuse(early.id, "alice", "no")
    world.clock.forward(hours=2)
    world.queue.approve(late.id, late.digest, "alice")
    found = figures(world.store, world.clock.now - timedelta(hours=1))
    assert (found.decided, found.approved, found.median) == (1, 1, timedelta(hours=2))


def test_a_reopened_item_waits_since_its_reopening(world: Any) -> None:
    item = world.waiting()
    world.queue.refuse(item.id, "alice", "no")
    world.clock.forward(hours=5)
    Revisions(world.store).reopen(item.id, "alice", "again", DAY)
    found = figures(world.store)
    assert (found.waiting, found.oldest, found.decided) == (1, world.clock.now, 0)
    world.clock.forward(minutes=3)
    world.queue.approve(item.id, item.digest, "alice")
    assert figures(world.store).median == timedelta(minutes=3)


def test_the_newest_decision_is_listed_first_and_only_so_many(world: Any) -> None:
    items = [world.waiting(ttl=DAY) for _ in range(3)]
    for item in reversed(items):
        world.clock.forward(minutes=1)
        world.queue.refuse(item.id, "alice", "no")
    assert [item.id for item in lately(world.store, 2)] == [items[0].id, items[1].id]
