"""Calls that a reviewer edited, and those that were reopened: what the agent runs, and what it tells."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from so8t.agent import events
from so8t.agent.stored import reviews
from so8t.audit_db import ReviewItem, Revisions
from so8t.gate.contract import Call, Decision, Finding, Source, Verdict, Versions

Start = Callable[..., Any]
Replies = Callable[..., Any]
ASKED = {"calls": [{"name": "poke", "arguments": {"what": "grayword"}}]}


def edited(database: Any, item: ReviewItem, **arguments: Any) -> Call:
    """Edit the item and approve it, as a console with a gate of its own does."""
    call = Call.of(item.tool, arguments, item.id)
    finding = Finding(Source.HEAD, Decision.ALLOW, "fine")
    verdict = Verdict(Decision.ALLOW, Source.HEAD, (finding,), call.digest, Versions("p", "h", "b", "1"))
    Revisions(database()).edit(item.id, item.digest, call, verdict, "ada")
    return call


async def take_up(w: Any) -> None:
    for item in await w.ledger.news():
        await w.agent.reviewed(item)


async def asked(w: Any) -> ReviewItem:
    await w.agent.turn("poke something")
    (item,) = await w.ledger.waiting()
    return item  # type: ignore[no-any-return]


def test_the_agent_runs_the_edited_call_once_and_tells_the_model_and_the_user_so(
    world: Start, replies: Replies, database: Any
) -> None:
    async def story() -> None:
        async with world(replies(ASKED, {"text": "It waits."}, {"text": "Another one was poked."})) as w:
            item = await asked(w)
            call = edited(database, item, what="box")
            w.queue.approve(item.id, call.digest, "ada")
            await take_up(w)
            assert w.effects == ["box"]
            told = [m.content for m in w.agent.messages if m.role == "tool"][-1]
            assert told == 'the reviewer changed the arguments to {"what":"box"}; result: poked box'
            (calling,) = [m.calls[0] for m in w.agent.messages if m.calls][-1:]
            assert calling.arguments == {"what": "box"}
            assert "ada changed the arguments of poke" in w.of(events.Notice)[-1].text
            found = w.queue.get(item.id)
            assert (found.state, found.proposed_json) == ("done", '{"what":"grayword"}')
            assert found.effective_json == found.arguments_json == '{"what":"box"}'
            assert await w.ledger.news() == []
            assert w.trail.verify().ok

    asyncio.run(story())


@pytest.mark.parametrize(
    ("arguments", "why"),
    [({"what": "blackword"}, "the gate refuses it"), ({"what": 1}, "not run: "), ({}, "not run: ")],
)
def test_an_edited_call_that_the_agents_own_gate_or_tool_does_not_take_never_runs(
    world: Start, replies: Replies, database: Any, arguments: dict[str, Any], why: str
) -> None:
    async def story() -> None:
        async with world(replies(ASKED, {"text": "It waits."}, {"text": "It did not run."})) as w:
            item = await asked(w)
            call = edited(database, item, **arguments)
            w.queue.approve(item.id, call.digest, "ada")
            await take_up(w)
            assert w.effects == []
            assert why in [m.content for m in w.agent.messages if m.role == "tool"][-1]
            assert w.of(events.CallFinished)[-1].outcome.status == "error"
            assert await w.ledger.news() == []
            assert w.trail.verify().ok

    asyncio.run(story())


def test_an_edited_call_that_is_approved_after_a_restart_runs_in_the_new_program(
    world: Start, replies: Replies, database: Any
) -> None:
    async def story() -> None:
        async with world(replies(ASKED, {"text": "It waits."})) as first:
            item = await asked(first)
            call = edited(database, item, what="box")
            first.queue.approve(item.id, call.digest, "ada")
        async with world(replies({"text": "Done."})) as second:
            await take_up(second)
            assert second.effects == ["box"]

    asyncio.run(story())


def test_an_edit_that_nobody_approved_runs_nothing(world: Start, replies: Replies, database: Any) -> None:
    async def story() -> None:
        async with world(replies(ASKED, {"text": "It waits."})) as w:
            item = await asked(w)
            edited(database, item, what="box")
            await take_up(w)
            w.queue.refuse(item.id, "ada", "no after all")
            await take_up(w)
            assert w.effects == []
            assert [m.content for m in w.agent.messages if m.role == "tool"][-1] == "refused: no after all"

    asyncio.run(story())


def test_an_agent_that_heard_of_the_refusal_takes_a_later_approval_up_as_a_new_event(
    world: Start, replies: Replies, database: Any
) -> None:
    async def story() -> None:
        async with world(replies(ASKED, {"text": "It waits."}, {"text": "Poked after all."})) as w:
            item = await asked(w)
            w.queue.refuse(item.id, "ada", "no")
            await take_up(w)
            Revisions(database()).reopen(item.id, "bob", "the user called", timedelta(hours=1))
            await take_up(w)
            assert [event.state for event in w.of(events.Reviewed)] == ["refused"]
            w.queue.approve(item.id, item.digest, "bob")
            await take_up(w)
            assert [event.state for event in w.of(events.Reviewed)] == ["refused", "approved"]
            assert w.effects == ["grayword"]
            assert await w.ledger.news() == []
            assert w.trail.verify().ok

    asyncio.run(story())


def test_an_agent_that_is_slow_with_a_refusal_hears_only_of_the_approval_that_followed(
    world: Start, replies: Replies, database: Any
) -> None:
    async def story() -> None:
        async with world(replies(ASKED, {"text": "It waits."}, {"text": "Poked."})) as w:
            item = await asked(w)
            w.queue.refuse(item.id, "ada", "no")
            (late,) = await w.ledger.news()
            Revisions(database()).reopen(item.id, "bob", "the user called", timedelta(hours=1))
            await w.agent.reviewed(late)
            w.queue.approve(item.id, item.digest, "bob")
            await w.agent.reviewed(late)
            assert w.of(events.Reviewed) == w.of(events.Failed) == []
            await take_up(w)
            assert [event.state for event in w.of(events.Reviewed)] == ["approved"]
            assert w.effects == ["grayword"]

    asyncio.run(story())


def test_a_decision_about_an_edited_or_reopened_call_is_no_label_of_the_proposed_one(
    world: Start, replies: Replies, database: Any
) -> None:
    async def story() -> None:
        async with world(replies(ASKED, {"text": "a"}, ASKED, {"text": "b"}, ASKED, {"text": "c"})) as w:
            for words in ("one", "two", "three"):
                await w.agent.turn(words)
            first, second, third = w.queue.items("pending")
            w.queue.approve(first.id, edited(database, first, what="box").digest, "ada")
            w.queue.refuse(second.id, "ada", "no")
            w.queue.refuse(third.id, "ada", "no")
            Revisions(database()).reopen(third.id, "bob", "again", timedelta(hours=1))
            assert {id: review.approved for id, review in reviews(w.trail).items()} == {second.id: False}

    asyncio.run(story())
