"""Edits and reopenings: what a reviewer may change, what is kept of it, and what stays shut."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from so8t.audit_db import Claims, ReviewItem, Revisions
from so8t.audit_db.errors import (
    AlreadyConsumed,
    BadFilter,
    DigestMismatch,
    EditRefused,
    Expired,
    HeldByAnother,
    NotApproved,
    NotPending,
    NotReopened,
)
from so8t.gate.contract import Call, Decision, Finding, Message, Proposal, Source, Verdict

HOUR = timedelta(hours=1)


@pytest.fixture
def revisions(world: Any) -> Revisions:
    return Revisions(world.store)


def other(item: ReviewItem, **arguments: Any) -> Call:
    """The item's call with other arguments."""
    return Call.of("write_file", arguments or {"path": "safe.txt", "content": "hello"}, item.id)


def edit(world: Any, item: ReviewItem, call: Call, decision: Decision = Decision.ALLOW, who: str = "alice") -> Any:
    verdict = world.verdict(decision, call.digest)
    return Revisions(world.store).edit(item.id, item.digest, call, verdict, who, "a safer place")


def test_proposed_approved_and_effective_arguments_are_all_kept(world: Any) -> None:
    proposed = world.call(path="a.txt")
    item = world.waiting(proposed)
    call = other(item, path="b.txt")
    edited = edit(world, item, call)
    assert (edited.arguments_json, edited.digest, edited.edited_by) == ('{"path":"b.txt"}', call.digest, "alice")
    assert (edited.proposed_json, edited.proposed_digest) == ('{"path":"a.txt"}', proposed.digest)
    assert (edited.state, edited.effective_json) == ("pending", None)
    assert edited.edited_verdict is not None
    assert edited.edited_verdict["decision"] == "ALLOW"
    assert world.queue.approve(item.id, call.digest, "alice").arguments_json == '{"path":"b.txt"}'
    assert world.queue.consume(item.id, call, "s1").digest == call.digest
    assert world.queue.get(item.id).effective_json == '{"path":"b.txt"}'
    bodies = [r.body for r in world.trail.records(subject=item.id)]
    assert [body["edited_digest"] for body in bodies if "edited_digest" in body] == [call.digest]
    assert [body["digest"] for body in bodies if body.get("state") == "approved"] == [call.digest]
    assert world.trail.verify().ok


def test_an_unedited_call_that_ran_has_its_own_arguments_as_effective_ones(world: Any) -> None:
    call = world.call()
    item = world.approved(call)
    world.queue.consume(item.id, call, "s1")
    assert world.queue.get(item.id).effective_json == call.arguments_json


def test_an_approval_of_the_call_as_it_was_before_the_edit_is_refused(world: Any) -> None:
    proposed = world.call(path="a.txt")
    item = world.waiting(proposed)
    call = other(item)
    edit(world, item, call)
    with pytest.raises(DigestMismatch, match="look at it again"):
        world.queue.approve(item.id, item.digest, "bob")
    world.queue.approve(item.id, call.digest, "bob")
    with pytest.raises(DigestMismatch):
        world.queue.consume(item.id, proposed, "s1")
    assert world.queue.consume(item.id, call, "s1").reviewer == "bob"
    with pytest.raises(AlreadyConsumed):
        world.queue.consume(item.id, call, "s1")


def test_what_the_gate_refuses_is_recorded_and_cannot_be_approved(world: Any) -> None:
    item = world.waiting()
    call = other(item, path="/etc/passwd")
    with pytest.raises(EditRefused, match="the gate refuses the edited call: the head says REFUSE"):
        edit(world, item, call, Decision.REFUSE)
    assert world.queue.get(item.id) == item
    with pytest.raises(DigestMismatch):
        world.queue.approve(item.id, call.digest, "alice")
    record = list(world.trail.records(kind="review"))[-1]
    assert (record.body["event"], record.body["edited_digest"]) == ("edit refused", call.digest)
    assert world.queue.approve(item.id, item.digest, "alice").state == "approved"
    assert world.trail.verify().ok


def test_an_edit_names_the_call_that_was_seen_and_changes_it(world: Any) -> None:
    item = world.waiting()
    first, second = other(item, path="1"), other(item, path="2")
    edit(world, item, first)
    with pytest.raises(DigestMismatch):
        edit(world, item, second, who="bob")  # bob saw the call as it was before
    with pytest.raises(EditRefused, match="nothing was changed"):
        edit(world, world.queue.get(item.id), first)
    assert edit(world, world.queue.get(item.id), second, who="bob").edited_by == "bob"
    assert world.queue.get(item.id).proposed_digest == item.digest


def test_an_edit_that_is_about_something_else_is_refused(world: Any, revisions: Revisions) -> None:
    item, call = world.waiting(), None
    for call in (Call("delete", '{"path":"b"}', item.id), replace(other(item), id="another1")):
        with pytest.raises(EditRefused):
            revisions.edit(item.id, item.digest, call, world.verdict(Decision.ALLOW, call.digest), "alice")
    with pytest.raises(EditRefused, match="verdict is not about"):
        revisions.edit(item.id, item.digest, other(item), world.verdict(Decision.ALLOW, item.digest), "alice")
    with pytest.raises(BadFilter, match="name"):
        revisions.edit(item.id, item.digest, other(item), world.verdict(Decision.ALLOW, other(item).digest), "")
    assert world.queue.get(item.id) == item


@pytest.mark.parametrize("content", ["ghp_" + "a1B2" * 9, "x [masked:github_token]"])
def test_a_secret_and_the_mark_of_one_cannot_be_edited_in(world: Any, content: str) -> None:
    item = world.waiting()
    with pytest.raises(EditRefused, match="secret"):
        edit(world, item, other(item, content=content))
    assert world.queue.get(item.id) == item


def test_a_call_with_a_masked_secret_can_be_edited_into_one_that_any_program_can_run(world: Any) -> None:
    item = world.waiting(world.call(content="ghp_" + "a1B2" * 9))
    assert item.masked
    edited = edit(world, item, other(item, content="no secret"))
    assert not edited.masked
    assert world.queue.call_of(edited).arguments_json == '{"content":"no secret"}'


def test_only_what_waits_and_nobody_else_holds_can_be_edited(world: Any) -> None:
    held, decided, late = world.waiting(), world.approved(), world.waiting(ttl=timedelta(minutes=1))
    Claims(world.store).claim(held.id, "bob", HOUR)
    world.clock.forward(minutes=1)
    for item, error in ((held, HeldByAnother), (decided, NotPending), (late, Expired)):
        with pytest.raises(error):
            edit(world, item, other(item))
        assert not world.queue.get(item.id).edited


@pytest.mark.parametrize("how", ["refused", "expired", "approved and expired"])
def test_what_was_refused_or_expired_waits_again_with_a_new_deadline_and_can_be_approved(
    world: Any, revisions: Revisions, how: str
) -> None:
    call = world.call()
    item = world.approved(call) if how == "approved and expired" else world.waiting(call)
    if how == "refused":
        world.queue.refuse(item.id, "alice", "no")
    world.clock.forward(hours=2)
    world.queue.expire_due()
    reopened = revisions.reopen(item.id, "bob", "the customer asked again", HOUR)
    assert (reopened.state, reopened.expires) == ("pending", world.clock.now + HOUR)
    assert (reopened.reviewer, reopened.reviewer_reason, reopened.decided_at) == (None, None, None)
    assert world.queue.expire_due() == []
    assert world.queue.approve(item.id, item.digest, "bob").state == "approved"
    world.queue.consume(item.id, call, "s1")
    record = next(r for r in world.trail.records(kind="review") if r.body["event"] == "reopened")
    assert (record.body["reviewer"], record.body["reviewer_reason"]) == ("bob", "the customer asked again")
    assert world.trail.verify().ok


def test_a_reopened_item_expires_at_its_new_deadline(world: Any, revisions: Revisions) -> None:
    item = world.waiting()
    world.queue.refuse(item.id, "alice", "no")
    revisions.reopen(item.id, "alice", "again", HOUR)
    world.clock.forward(hours=1)
    with pytest.raises(Expired):
        world.queue.approve(item.id, item.digest, "alice")
    assert revisions.reopen(item.id, "alice", "and again", HOUR).state == "pending"


def test_a_clock_that_was_far_ahead_before_a_reopening_does_not_end_it(world: Any, revisions: Revisions) -> None:
    item = world.waiting()
    world.queue.refuse(item.id, "alice", "no")
    world.clock.forward(days=9)
    world.trail.fault("s1", "written while the clock is ahead")
    world.clock.forward(days=-9)
    revisions.reopen(item.id, "alice", "again", HOUR)
    assert world.queue.approve(item.id, item.digest, "alice").state == "approved"


def test_what_neither_was_refused_nor_expired_stays_as_it_is(world: Any, revisions: Revisions) -> None:
    waiting, approved, cancelled, ran = world.waiting(), world.approved(), world.waiting(), world.approved()
    world.queue.cancel(cancelled.id, "agent", "")
    world.queue.consume(ran.id, world.queue.call_of(ran), "s1")
    for item in (waiting, approved, cancelled, ran):
        before = world.queue.get(item.id)
        with pytest.raises(NotReopened, match=before.state):
            revisions.reopen(item.id, "alice", "again", HOUR)
        assert world.queue.get(item.id) == before


def test_what_the_policy_refuses_is_never_reopened(world: Any, revisions: Revisions) -> None:
    call = world.call()
    forbidden = Finding(Source.POLICY, Decision.REFUSE, "no files of the shop", "shop")
    verdict: Verdict = replace(world.verdict(Decision.ESCALATE, call.digest), findings=(forbidden,))
    world.trail.decided("s1", Proposal((Message("user", "x"),), world.tool, call), verdict)
    item = world.queue.submit("s1", "w1", call, world.tool, verdict, "x", HOUR)
    world.queue.refuse(item.id, "alice", "no")
    with pytest.raises(NotReopened, match="no files of the shop"):
        revisions.reopen(item.id, "alice", "again", HOUR)


def test_a_reopening_needs_a_name_a_reason_and_time(world: Any, revisions: Revisions) -> None:
    item = world.waiting()
    world.queue.refuse(item.id, "alice", "no")
    for who, why, ttl in (("", "again", HOUR), ("alice", " ", HOUR), ("alice", "again", timedelta(0))):
        with pytest.raises(BadFilter):
            revisions.reopen(item.id, who, why, ttl)
    assert world.queue.get(item.id).state == "refused"


def test_an_agent_hears_of_the_decision_after_a_reopening_as_of_a_new_one(world: Any, revisions: Revisions) -> None:
    item = world.waiting()
    world.queue.refuse(item.id, "alice", "no")
    (heard,) = world.queue.decided("w1")
    assert world.queue.acknowledge(item.id, heard.changed_seq)
    revisions.reopen(item.id, "alice", "again", HOUR)
    assert world.queue.decided("w1") == []
    world.queue.approve(item.id, item.digest, "alice")
    (news,) = world.queue.decided("w1")
    assert (news.id, news.state, news.acknowledged) == (item.id, "approved", False)
    assert world.trail.verify().ok


def test_an_agent_that_is_late_with_a_refusal_does_not_swallow_the_approval_that_followed(
    world: Any, revisions: Revisions
) -> None:
    item = world.waiting()
    world.queue.refuse(item.id, "alice", "no")
    (heard,) = world.queue.decided("w1")
    revisions.reopen(item.id, "alice", "again", HOUR)
    assert not world.queue.acknowledge(item.id, heard.changed_seq)  # while it waits
    with pytest.raises(NotApproved):
        world.queue.acknowledge(item.id)
    world.queue.approve(item.id, item.digest, "alice")
    assert not world.queue.acknowledge(item.id, heard.changed_seq)  # and when it is approved
    assert [news.state for news in world.queue.decided("w1")] == ["approved"]


def test_an_edit_outlives_a_reopening(world: Any, revisions: Revisions) -> None:
    item = world.waiting()
    call = other(item)
    edit(world, item, call)
    world.queue.refuse(item.id, "alice", "no")
    assert revisions.reopen(item.id, "alice", "again", HOUR).digest == call.digest
    assert world.trail.verify().ok
