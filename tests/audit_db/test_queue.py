"""The review queue: who may do what, when, and how often."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from so8t.audit_db.errors import (
    AlreadyConsumed,
    BadFilter,
    DigestMismatch,
    Expired,
    NotApproved,
    NotPending,
    SubmitRefused,
    UnknownItem,
)
from so8t.gate.allowed import Allowed
from so8t.gate.contract import Call, Decision


def test_an_item_shows_the_whole_call_and_why_it_waits(world: Any) -> None:
    call = world.call(path="a.txt")
    item = world.waiting(call)
    assert item == world.queue.get(call.id)
    assert (item.id, item.session, item.owner, item.tool) == (call.id, "s1", "w1", "write_file")
    assert (item.arguments_json, item.digest, item.effects) == ('{"path":"a.txt"}', call.digest, ("write",))
    assert (item.state, item.reason, item.user_text) == ("pending", "the head says ESCALATE", "write my notes")
    assert item.verdict["probabilities"] == [0.2, 0.7, 0.1]
    assert item.expires - item.created == timedelta(hours=1)
    assert not item.masked


def test_an_approved_call_runs_once_and_is_done_with_its_outcome(world: Any) -> None:
    call = world.call()
    item = world.approved(call)
    assert (item.state, item.reviewer, item.reviewer_reason) == ("approved", "alice", "fine")
    approval = world.queue.consume(item.id, call, "s1")
    assert Allowed.by_approval(call, approval).spend() is call
    executing = world.queue.get(item.id)
    assert (executing.state, executing.acknowledged) == ("executing", True)
    assert not world.queue.acknowledge(item.id)
    with pytest.raises(AlreadyConsumed):
        world.queue.consume(item.id, call, "s1")
    world.trail.outcome("s1", call.id, "done", "written", False, 1)
    assert world.queue.get(item.id).state == "done"
    with pytest.raises(AlreadyConsumed):
        world.queue.consume(item.id, call, "s1")
    assert len(list(world.trail.records(kind="intent"))) == 1
    assert world.trail.verify().ok


def test_a_call_needs_a_recorded_escalate_to_wait(world: Any) -> None:
    call = world.call()
    verdict = world.verdict(Decision.ESCALATE, call.digest)
    with pytest.raises(SubmitRefused, match="no ESCALATE"):
        world.queue.submit("s1", "w1", call, world.tool, verdict, "", timedelta(hours=1))
    world.decided(call, Decision.REFUSE)
    with pytest.raises(SubmitRefused, match="no ESCALATE"):
        world.queue.submit("s1", "w1", call, world.tool, verdict, "", timedelta(hours=1))


def test_another_call_under_the_decided_id_does_not_wait(world: Any) -> None:
    call = world.call(path="a")
    verdict = world.decided(call, Decision.ESCALATE)
    other = Call("write_file", '{"path":"b"}', call.id)
    with pytest.raises(SubmitRefused, match="not the one"):
        world.queue.submit("s1", "w1", other, world.tool, verdict, "", timedelta(hours=1))


def test_a_call_waits_once(world: Any) -> None:
    call = world.call()
    verdict = world.decided(call, Decision.ESCALATE)
    arguments = ("s1", "w1", call, world.tool, verdict, "", timedelta(hours=1))
    world.queue.submit(*arguments)
    with pytest.raises(SubmitRefused, match="already"):
        world.queue.submit(*arguments)
    with pytest.raises(BadFilter, match="positive"):
        world.queue.submit(*arguments[:-1], timedelta(0))


@pytest.mark.parametrize("state", ["pending", "refused", "cancelled"])
def test_what_is_not_approved_does_not_run(world: Any, state: str) -> None:
    call = world.call()
    item = world.waiting(call)
    if state == "refused":
        world.queue.refuse(item.id, "alice", "no")
    if state == "cancelled":
        world.queue.cancel(item.id, "agent", "changed my mind")
    assert world.queue.get(item.id).state == state
    with pytest.raises(NotApproved, match=state):
        world.queue.consume(item.id, call, "s1")
    assert list(world.trail.records(kind="intent")) == []


def test_an_item_is_decided_once(world: Any) -> None:
    item = world.waiting()
    world.queue.refuse(item.id, "alice", "no")
    with pytest.raises(NotPending, match="refused already"):
        world.queue.approve(item.id, item.digest, "bob")
    with pytest.raises(NotPending):
        world.queue.refuse(item.id, "bob", "no")
    with pytest.raises(NotPending):
        world.queue.cancel(item.id, "bob", "no")


def test_a_decision_needs_a_name(world: Any) -> None:
    item = world.waiting()
    with pytest.raises(BadFilter, match="name"):
        world.queue.approve(item.id, item.digest, " ")
    assert world.queue.get(item.id).state == "pending"


def test_an_approval_names_the_digest_that_was_shown(world: Any) -> None:
    item = world.waiting()
    with pytest.raises(DigestMismatch, match="look at it again"):
        world.queue.approve(item.id, world.call(path="other").digest, "alice")
    assert world.queue.get(item.id).state == "pending"


def test_only_the_approved_call_runs(world: Any) -> None:
    call, sibling = world.call(path="a"), world.call(path="b")
    item = world.approved(call)
    world.waiting(sibling)
    for wrong in (sibling, Call("write_file", '{"path":"c"}', call.id), Call("delete", call.arguments_json, call.id)):
        with pytest.raises(DigestMismatch):
            world.queue.consume(item.id, wrong, "s1")
    with pytest.raises(NotApproved):
        world.queue.consume(sibling.id, sibling, "s1")
    assert world.queue.consume(item.id, call, "s1").reviewer == "alice"


def test_nothing_is_approved_or_run_after_its_time(world: Any) -> None:
    call, other = world.call(), world.call()
    item, approved = world.waiting(call), world.approved(other)
    world.clock.forward(hours=1)
    with pytest.raises(Expired, match="ask for the call again"):
        world.queue.approve(item.id, item.digest, "alice")
    with pytest.raises(Expired):
        world.queue.consume(approved.id, other, "s1")
    assert {i.state for i in world.queue.items()} == {"expired"}
    with pytest.raises(Expired):
        world.queue.consume(approved.id, other, "s1")
    assert world.trail.verify().ok


def test_a_clock_that_jumps_back_revives_nothing(world: Any) -> None:
    call = world.call()
    item = world.approved(call)
    world.clock.forward(hours=2)
    world.trail.fault("s1", "written while it is late")  # nobody looked at the queue meanwhile
    world.clock.forward(hours=-2)
    with pytest.raises(Expired):
        world.queue.consume(item.id, call, "s1")
    assert world.queue.get(item.id).state == "expired"
    fresh = world.waiting()  # what is submitted after the jump lives by the clock again
    assert world.queue.approve(fresh.id, fresh.digest, "alice").state == "approved"
    found = world.trail.verify()
    assert found.ok
    assert "clock ran backwards" in found.notes[0]


def test_what_is_due_expires_and_nothing_else(world: Any) -> None:
    short = world.waiting(ttl=timedelta(minutes=1))
    long = world.waiting(ttl=timedelta(days=1))
    assert world.queue.expire_due() == []
    world.clock.forward(minutes=2)
    assert [i.id for i in world.queue.expire_due()] == [short.id]
    assert world.queue.expire_due() == []
    assert [i.id for i in world.queue.items(state="pending")] == [long.id]


def test_an_agent_hears_of_each_decision_once_also_after_a_restart(world: Any) -> None:
    refused, approved, lapsed, waiting = (world.waiting() for _ in range(4))
    foreign = world.waiting(owner="w2")
    world.queue.refuse(refused.id, "alice", "no")
    world.queue.refuse(foreign.id, "alice", "no")
    world.queue.approve(approved.id, approved.digest, "alice")
    world.queue.cancel(lapsed.id, "agent", "")
    world.restart()
    assert {i.id for i in world.queue.decided("w1")} == {refused.id, approved.id, lapsed.id}
    assert world.queue.acknowledge(refused.id)
    assert not world.queue.acknowledge(refused.id)
    world.queue.consume(approved.id, world.queue.call_of(approved), "s2")
    world.restart()
    assert [i.id for i in world.queue.decided("w1")] == [lapsed.id]
    with pytest.raises(NotApproved, match="not decided"):
        world.queue.acknowledge(waiting.id)
    world.clock.forward(hours=2)
    assert {(i.id, i.state) for i in world.queue.decided("w1")} == {(lapsed.id, "cancelled"), (waiting.id, "expired")}
    assert world.trail.verify().ok


def test_an_unknown_id_names_the_nearest_that_wait(world: Any) -> None:
    with pytest.raises(UnknownItem, match="pending: none"):
        world.queue.get("nope")
    item = world.waiting()
    with pytest.raises(UnknownItem, match=f"pending: {item.id}"):
        world.queue.approve(item.id[:-1] + "!", item.digest, "alice")
    with pytest.raises(BadFilter, match="valid: pending"):
        world.queue.items(state="pendign")


def test_odd_text_from_users_and_reviewers_is_kept_as_text(world: Any) -> None:
    call = world.call(path="日本\0")
    verdict = world.decided(call, Decision.ESCALATE)
    odd = "NUL \0, broken \ud800, 🎌"
    item = world.queue.submit("s1", "w1", call, world.tool, verdict, odd, timedelta(hours=1))
    assert item.user_text == "NUL \\0, broken \\ud800, 🎌"
    assert world.queue.refuse(item.id, "アリス", odd).reviewer_reason == item.user_text
    assert world.queue.call_of(item) == call
    assert world.trail.verify().ok


def test_a_call_whose_program_died_is_unknown(world: Any) -> None:
    call = world.call()
    item = world.approved(call)
    world.queue.consume(item.id, call, "s1")
    (left,) = world.trail.open_intents()
    world.trail.mark_unknown(left)
    assert world.queue.get(item.id).state == "unknown"
    with pytest.raises(AlreadyConsumed):
        world.queue.consume(item.id, call, "s1")
    assert world.trail.verify().ok


def test_what_is_over_its_time_does_not_count_as_waiting(world: Any) -> None:
    world.waiting(ttl=timedelta(minutes=1))
    world.session = "s2"
    world.waiting(ttl=timedelta(days=1))
    assert (world.queue.waiting("s1"), world.queue.waiting("s3")) == ((1, 2), (0, 2))
    world.clock.forward(minutes=1)
    assert (world.queue.waiting("s1"), world.queue.waiting("s2")) == ((0, 1), (1, 1))
