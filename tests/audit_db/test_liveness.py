"""Sessions that live, and what dead ones left."""

from __future__ import annotations

from typing import Any

import pytest

from so8t.audit_db import SessionLock, alive, recover
from so8t.audit_db.errors import SessionBusy
from so8t.gate.contract import Decision, Source


def test_a_session_is_held_once_and_free_after_release(world: Any) -> None:
    with SessionLock(world.store, "s1"):
        assert alive(world.store, {"s1", "s2"}) == {"s1"}
        with pytest.raises(SessionBusy, match="start a new session"):
            SessionLock(world.store, "s1")
    assert alive(world.store, {"s1", "s2"}) == set()


def test_what_a_dead_session_left_becomes_unknown_once_and_the_living_are_left_alone(world: Any) -> None:
    dead, living = world.call(), world.call()
    item = world.approved()
    for session, call in (("dead", dead), ("living", living)):
        world.decided(call, Decision.ALLOW)
        world.trail.intent(session, call, Source.HEAD)
    world.queue.consume(item.id, world.queue.call_of(item), "dead")
    with SessionLock(world.store, "living"):
        assert {r.subject for r in recover(world.store)} == {dead.id, item.id}
        assert recover(world.store) == []
        assert [r.subject for r in world.trail.open_intents()] == [living.id]
    assert world.queue.get(item.id).state == "unknown"
    assert {r.subject for r in world.trail.records(kind="unknown")} == {dead.id, item.id}
    assert world.trail.verify().ok
