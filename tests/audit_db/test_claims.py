"""Claims: who works on an item, for how long, and what a late token can do."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from so8t.audit_db import Claims
from so8t.audit_db.errors import BadFilter, ClaimLost, Expired, HeldByAnother, NotPending, UnknownItem


@pytest.fixture
def claims(world: Any) -> Claims:
    return Claims(world.store)


def test_a_claim_says_who_holds_the_item_until_when_and_is_in_the_trail(world: Any, claims: Claims) -> None:
    item = claims.claim(world.waiting().id, "alice", timedelta(minutes=5))
    assert (item.claimed_by, item.claim_token, item.state) == ("alice", 1, "pending")
    assert item.claim_expires == world.clock.now + timedelta(minutes=5)
    record = list(world.trail.records(kind="review"))[-1]
    assert (record.subject, record.body["event"], record.body["reviewer"]) == (item.id, "claimed", "alice")
    assert world.queue.get(item.id) == item
    assert world.trail.verify().ok


def test_nobody_else_claims_decides_or_edits_while_a_claim_runs_and_is_told_who_holds_it(
    world: Any, claims: Claims
) -> None:
    item = claims.claim(world.waiting().id, "alice")
    for attempt in (
        lambda: claims.claim(item.id, "bob"),
        lambda: world.queue.approve(item.id, item.digest, "bob"),
        lambda: world.queue.refuse(item.id, "bob", "no"),
        lambda: claims.decidable(item.id, "bob"),
    ):
        with pytest.raises(HeldByAnother, match="claimed by alice until 2026-11-24T09:02:00Z"):
            attempt()
    assert world.queue.get(item.id) == item
    assert world.queue.approve(item.id, item.digest, "alice", token=1).state == "approved"


def test_where_nobody_else_holds_a_claim_a_decision_needs_none(world: Any, claims: Claims) -> None:
    own, free, lapsed = world.waiting(), world.waiting(), world.waiting()
    claims.claim(own.id, "alice")
    claims.claim(lapsed.id, "bob")
    world.clock.forward(minutes=2)
    for item in (own, free, lapsed):
        assert world.queue.refuse(item.id, "alice", "no").reviewer == "alice"


def test_a_claim_that_ran_out_may_be_taken_over_and_the_old_token_decides_nothing(world: Any, claims: Claims) -> None:
    item = world.waiting()
    claims.claim(item.id, "alice")
    world.clock.forward(minutes=2)
    taken = claims.claim(item.id, "bob")
    assert (taken.claimed_by, taken.claim_token) == ("bob", 2)
    for attempt in (
        lambda: world.queue.approve(item.id, item.digest, "alice", token=1),
        lambda: world.queue.refuse(item.id, "alice", "no", token=1),
        lambda: claims.renew(item.id, "alice", 1),
        lambda: claims.release(item.id, "alice", 1),
    ):
        with pytest.raises(ClaimLost, match=r"claimed by bob until .*, with the token 2"):
            attempt()
    assert world.queue.refuse(item.id, "bob", "not now", token=2).state == "refused"
    with pytest.raises(NotPending, match=r"refused already \(decided by bob 2026-11-24T09:02:00Z: not now\)"):
        world.queue.approve(item.id, item.digest, "alice", token=1)
    assert world.trail.verify().ok


def test_another_reviewers_token_is_worth_nothing(world: Any, claims: Claims) -> None:
    item = claims.claim(world.waiting().id, "alice")
    with pytest.raises(ClaimLost, match="claimed by alice"):
        world.queue.approve(item.id, item.digest, "bob", token=item.claim_token)
    assert world.queue.get(item.id).state == "pending"


def test_the_heartbeat_keeps_a_claim_and_revives_one_that_nobody_took(world: Any, claims: Claims) -> None:
    item = claims.claim(world.waiting(ttl=timedelta(days=1)).id, "alice", timedelta(minutes=2))
    for pause in (1, 1, 30):
        world.clock.forward(minutes=pause)
        renewed = claims.renew(item.id, "alice", 1, timedelta(minutes=2))
        assert renewed.claim_expires == world.clock.now + timedelta(minutes=2)
        assert renewed.claim_token == 1
    with pytest.raises(HeldByAnother):
        claims.claim(item.id, "bob")
    assert world.trail.verify().ok


def test_a_reviewer_whose_terminal_died_claims_again_and_the_dead_one_has_lost_it(world: Any, claims: Claims) -> None:
    item = world.waiting()
    claims.claim(item.id, "alice")
    assert claims.claim(item.id, "alice").claim_token == 2
    with pytest.raises(ClaimLost):
        world.queue.approve(item.id, item.digest, "alice", token=1)


def test_what_was_given_back_is_free_and_the_old_token_is_over(world: Any, claims: Claims) -> None:
    item = claims.claim(world.waiting().id, "alice")
    given = claims.release(item.id, "alice", 1)
    assert (given.claimed_by, given.claim_expires, given.claim_token) == (None, None, 1)
    for attempt in (
        lambda: claims.release(item.id, "alice", 1),
        lambda: claims.renew(item.id, "alice", 1),
        lambda: world.queue.approve(item.id, item.digest, "alice", token=1),
    ):
        with pytest.raises(ClaimLost, match="nobody holds it now"):
            attempt()
    assert claims.claim(item.id, "bob").claim_token == 2


def test_a_decision_ends_the_claim_and_what_is_decided_cannot_be_claimed(world: Any, claims: Claims) -> None:
    item = claims.claim(world.waiting().id, "alice")
    done = world.queue.approve(item.id, item.digest, "alice", "fine", token=1)
    assert (done.claimed_by, done.claim_expires) == (None, None)
    for attempt in (
        lambda: claims.claim(item.id, "bob"),
        lambda: claims.renew(item.id, "alice", 1),
        lambda: claims.release(item.id, "alice", 1),
    ):
        with pytest.raises(NotPending, match=r"approved already \(decided by alice .*: fine\)"):
            attempt()
    assert world.trail.verify().ok


def test_a_claim_does_not_keep_an_item_from_expiring(world: Any, claims: Claims) -> None:
    item = claims.claim(world.waiting(ttl=timedelta(minutes=1)).id, "alice", timedelta(hours=1))
    world.clock.forward(minutes=1)
    for attempt in (lambda: claims.claim(item.id, "alice"), lambda: claims.renew(item.id, "alice", 1)):
        with pytest.raises(Expired):
            attempt()
    assert [late.id for late in world.queue.expire_due()] == [item.id]
    with pytest.raises(NotPending, match=r"expired already \(decided 2026"):
        claims.renew(item.id, "alice", 1)


def test_a_claim_needs_a_name_a_time_and_an_item(world: Any, claims: Claims) -> None:
    item = world.waiting()
    with pytest.raises(BadFilter, match="name"):
        claims.claim(item.id, " ")
    with pytest.raises(BadFilter, match="positive"):
        claims.claim(item.id, "alice", timedelta(0))
    with pytest.raises(UnknownItem):
        claims.claim("nope", "alice")
    assert world.queue.get(item.id).claim_token == 0
