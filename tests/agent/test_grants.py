"""Grants in a conversation: which calls run without waiting, and what is told and recorded about them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from so8t.agent import events
from so8t.agent.limits import Limits
from so8t.audit_db import Grant, Grants
from so8t.audit_db.errors import TrailUnavailable
from so8t.gate.allowed import Allowed, AlreadySpent, GrantUse, NotAllowed
from so8t.gate.contract import Call, Decision, Finding, Source, Verdict, Versions
from so8t.gate.grants import exactly, glob

Start = Callable[..., Any]
Replies = Callable[..., Any]
OWNER = "tester@here:/workspace"


def asking(*words: str, tool: str = "poke") -> dict[str, Any]:
    return {"calls": [{"name": tool, "arguments": {"what": word}} for word in words]}


def granted(w: Any, database: Any, what: Any = "grayword", owner: str = OWNER, **bounds: Any) -> Grant:
    bounds = bounds or {"until": datetime.now(UTC) + timedelta(hours=1)}
    stated = {"what": exactly(what) if isinstance(what, str) else what}
    return Grants(database()).add(owner, w.agent.parts.toolbox.get("poke").spec, stated, "Aya", **bounds)


def verdicts(w: Any) -> list[tuple[str, str]]:
    return [(event.verdict.decision.name, event.verdict.source.value) for event in w.of(events.CallJudged)]


def test_a_granted_call_runs_at_once_and_the_head_was_asked_and_recorded(
    world: Start, replies: Replies, database: Any
) -> None:
    async def story() -> None:
        async with world(replies(asking("grayword"), {"text": "Poked."})) as w:
            made = granted(w, database, times=1, session=w.ledger.session)
            await w.agent.turn("poke something")
            assert w.effects == ["grayword"]
            assert verdicts(w) == [("ALLOW", "human")]
            assert [m.content for m in w.agent.messages if m.role == "tool"] == ["poked grayword"]
            assert await w.ledger.waiting() == []
            (intent,) = w.trail.records(kind="intent")
            assert intent.body["source"] == "human"
            (decision,) = w.trail.records(kind="decision", subject=intent.subject)
            assert [f["decision"] for f in decision.body["findings"] if f["source"] == "head"] == ["ESCALATE"]
            assert decision.body["probabilities"] is not None
            assert decision.body["grant"]["id"] == made.id
            assert w.trail.verify().ok

    asyncio.run(story())


def test_of_several_calls_at_once_only_as_many_pass_as_the_grant_says(
    world: Start, replies: Replies, database: Any
) -> None:
    async def story() -> None:
        async with world(replies(asking(*["grayword"] * 4), {"text": "So."})) as w:
            granted(w, database, times=2, session=w.ledger.session)
            await w.agent.turn("poke four times")
            assert w.effects == ["grayword"] * 2
            assert sorted(verdicts(w)) == [("ALLOW", "human")] * 2 + [("ESCALATE", "head")] * 2
            assert len(await w.ledger.waiting()) == 2

    asyncio.run(story())


@pytest.mark.parametrize(
    ("word", "verdict"),
    [
        ("blackword", ("REFUSE", "head")),
        ("crashword", ("ESCALATE", "fault")),
        ("grayword\u200b", ("ESCALATE", "readability")),
        ("grayword 2", ("ESCALATE", "head")),
    ],
    ids=ascii,
)
def test_what_a_grant_may_not_turn_does_not_run(
    world: Start, replies: Replies, database: Any, word: str, verdict: tuple[str, str]
) -> None:
    async def story() -> None:
        async with world(replies(asking(word), {"text": "No."})) as w:
            granted(w, database)
            for stated in ("blackword", "crashword"):
                granted(w, database, stated)
            granted(w, database, glob("grayword"))
            await w.agent.turn("poke something")
            assert verdicts(w) == [verdict]
            assert w.effects == []
            assert all(grant.uses == 0 for grant in Grants(database()).all()[0])

    asyncio.run(story())


def test_a_grant_of_another_session_or_owner_or_that_was_revoked_or_used_up_lets_nothing_pass(
    world: Start, replies: Replies, database: Any
) -> None:
    async def story() -> None:
        wishes = [asking("grayword"), {"text": "No."}]
        async with world(replies(*wishes, *wishes)) as w:
            granted(w, database, session="another")
            granted(w, database, owner="someone@else:/workspace")
            Grants(database()).revoke(granted(w, database).id, "Bo")
            granted(w, database, times=1, session=w.ledger.session)
            await w.agent.turn("poke something")
            await w.agent.turn("poke it again")
            assert w.effects == ["grayword"]
            assert [decision for decision, _ in verdicts(w)] == ["ALLOW", "ESCALATE"]

    asyncio.run(story())


def test_a_grant_that_is_revoked_in_the_middle_of_a_conversation_ends_at_once(
    world: Start, replies: Replies, database: Any
) -> None:
    async def story() -> None:
        wishes = [asking("grayword"), {"text": "So."}]
        async with world(replies(*wishes, *wishes)) as w:
            made = granted(w, database)
            await w.agent.turn("poke something")
            Grants(database()).revoke(made.id, "Bo")
            await w.agent.turn("poke it again")
            assert w.effects == ["grayword"]

    asyncio.run(story())


def test_a_turn_that_was_flagged_by_the_head_can_be_covered_and_by_a_fault_it_cannot(
    world: Start, replies: Replies, database: Any
) -> None:
    async def story() -> None:
        for turn, ran in (("grayword please", ["box"]), ("crashword please", [])):
            async with world(replies(asking("box"), {"text": "So."})) as w:
                made = granted(w, database, "box")
                await w.agent.turn(turn)
                assert w.effects == ran
                Grants(database()).revoke(made.id, "Bo")

    asyncio.run(story())


def test_a_granted_call_takes_no_room_in_a_full_queue(world: Start, replies: Replies, database: Any) -> None:
    async def story() -> None:
        engine = replies(asking("grayword 1"), {"text": "It waits."}, asking("grayword"), {"text": "Poked."})
        async with world(engine, waiting=Limits(1, 1)) as w:
            granted(w, database)
            await w.agent.turn("poke")
            await w.agent.turn("poke again")
            assert verdicts(w) == [("ESCALATE", "head"), ("ALLOW", "human")]

    asyncio.run(story())


def test_a_use_whose_call_never_started_is_spent_and_nothing_ran(
    world: Start, replies: Replies, database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        async with world(replies(asking("grayword"), {"text": "So."})) as first:
            made = granted(first, database, times=1, until=datetime.now(UTC) + timedelta(hours=1))

            async def full(allowed: Allowed) -> None:
                raise TrailUnavailable("the disk is full")

            monkeypatch.setattr(first.ledger, "intent", full)
            with pytest.raises(TrailUnavailable):
                await first.agent.turn("poke something")
            assert first.effects == []
        async with world(replies(asking("grayword"), {"text": "So."})) as second:
            assert Grants(database()).get(made.id).state == "used up"
            await second.agent.turn("poke something")
            assert second.effects == []
            assert verdicts(second) == [("ESCALATE", "head")]
            assert second.trail.verify().ok

    asyncio.run(story())


CALL, OTHER = Call.of("poke", {"what": "box"}), Call.of("poke", {"what": "bomb"})
USE = GrantUse("grant-7k2mq9xd", CALL.digest, "Aya", 1, None)


def test_a_used_grant_makes_a_ticket_for_its_call_only_and_for_one_run() -> None:
    with pytest.raises(NotAllowed):
        Allowed.by_grant(OTHER, USE)
    ticket = Allowed.by_grant(CALL, USE)
    assert ticket.source is Source.HUMAN
    ticket.spend()
    with pytest.raises(AlreadySpent):
        ticket.spend()


def test_a_verdict_that_a_grant_turned_makes_no_ticket_without_the_used_grant() -> None:
    finding = Finding(Source.HUMAN, Decision.ALLOW, "the grant lets it pass")
    verdict = Verdict(Decision.ALLOW, Source.HUMAN, (finding,), CALL.digest, Versions("p", "h", "b", "1"))
    with pytest.raises(NotAllowed):
        Allowed.by_verdict(CALL, verdict)
    assert Allowed.by_verdict(CALL, replace(verdict, source=Source.HEAD))
