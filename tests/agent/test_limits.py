"""Flooding: how many calls may wait for a person, and what becomes of those beyond."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from so8t.agent import build, events
from so8t.agent.config import load
from so8t.agent.limits import Limits
from so8t.gate.contract import Decision, Source

Start = Callable[..., Any]
Replies = Callable[..., Any]


def wishes(first: int, count: int) -> dict[str, Any]:
    return {"calls": [{"name": "poke", "arguments": {"what": f"grayword {first + n}"}} for n in range(count)]}


def judged(w: Any) -> list[tuple[str, str]]:
    return [(event.verdict.decision.name, event.verdict.source.value) for event in w.of(events.CallJudged)]


WAITS, REFUSED = ("ESCALATE", "head"), ("REFUSE", "fault")


@pytest.mark.parametrize(("limits", "named"), [(Limits(3, 9), "review.most_of_session"), (Limits(9, 3), "review.most")])
def test_beyond_the_limit_a_call_is_refused_by_fault_recorded_and_the_user_sees_why(
    world: Start, replies: Replies, limits: Limits, named: str
) -> None:
    async def story() -> None:
        async with world(replies(wishes(0, 5), {"text": "Some wait."}), waiting=limits) as w:
            await w.agent.turn("poke five things")
            assert sorted(judged(w)) == [WAITS] * 3 + [REFUSED] * 2  # all five were judged at the same time
            assert len(w.queue.items("pending")) == 3
            refused = next(e for e in w.of(events.CallJudged) if e.verdict.decision is Decision.REFUSE)
            (reason,) = refused.verdict.reasons
            assert f"(3, {named})" in reason
            (record,) = w.trail.records(subject=refused.call.id, kind="decision")
            assert (record.decision, record.body["source"]) == ("REFUSE", Source.FAULT)
            assert {finding["source"] for finding in record.body["findings"]} >= {"head", "fault"}
            told = [m.content for m in w.agent.messages if m.role == "tool"]
            assert sum(text.startswith("refused: too many calls") for text in told) == 2
            assert w.effects == []
            assert w.trail.verify().ok

    asyncio.run(story())


def test_what_is_decided_makes_room_again(world: Start, replies: Replies) -> None:
    async def story() -> None:
        engine = replies(wishes(0, 2), {"text": "It waits."}, wishes(2, 1), {"text": "It waits too."})
        async with world(engine, waiting=Limits(1, 9)) as w:
            await w.agent.turn("poke two things")
            w.queue.refuse(w.queue.items("pending")[0].id, "ada", "no")
            await w.agent.turn("poke a third thing")
            assert sorted(judged(w)) == [WAITS] * 2 + [REFUSED]

    asyncio.run(story())


def test_one_session_does_not_use_up_the_room_of_another(world: Start, replies: Replies) -> None:
    async def story() -> None:
        async with (
            world(replies(wishes(0, 2), {"text": "Done."}), waiting=Limits(2, 9)) as first,
            world(replies(wishes(2, 1), {"text": "Done."}), waiting=Limits(2, 9)) as second,
        ):
            await first.agent.turn("poke")
            await second.agent.turn("poke")
            assert judged(second) == [WAITS]

    asyncio.run(story())


def test_a_full_queue_stops_nothing_that_is_allowed(world: Start, replies: Replies) -> None:
    async def story() -> None:
        both = wishes(0, 2)
        both["calls"].append({"name": "poke", "arguments": {"what": "box"}})
        async with world(replies(both, {"text": "Done."}), waiting=Limits(1, 1)) as w:
            await w.agent.turn("poke")
            assert sorted(judged(w)) == [("ALLOW", "head"), WAITS, REFUSED]
            assert w.effects == ["box"]

    asyncio.run(story())


def test_the_limits_are_settings(tmp_path: Path) -> None:
    assert build.limits(load(folder=tmp_path, environ={})) == Limits(50, 1000) == Limits()
    environ = {"SO8T_REVIEW__MOST_OF_SESSION": "2", "SO8T_REVIEW__MOST": "3"}
    assert build.limits(load(folder=tmp_path, environ=environ)) == Limits(2, 3)
