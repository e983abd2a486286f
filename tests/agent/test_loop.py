"""The conversation: what is judged, what runs, what waits, what is recorded, and what happens when something fails."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any

import pytest

from so8t.agent import events
from so8t.agent.engines import EngineFault, ProposedCall, Reply, TextDelta
from so8t.audit_db import Store
from so8t.gate.contract import Message, ToolSpec

Start = Callable[..., Any]
Replies = Callable[..., Any]


def call(name: str, **arguments: Any) -> dict[str, Any]:
    return {"calls": [{"name": name, "arguments": arguments}]}


def test_an_allowed_call_runs_between_its_intent_and_its_outcome(world: Start, replies: Replies) -> None:
    async def story() -> None:
        async with world(replies(call("poke", what="box"), {"text": "I poked it."})) as w:
            await w.agent.turn("poke the box")
            assert w.effects == ["box"]
            assert w.kinds() == ["decision", "decision", "intent", "outcome"]
            assert [m.role for m in w.agent.messages] == ["system", "user", "assistant", "tool", "assistant"]
            assert w.of(events.Answered)[-1].text == "I poked it."
            assert w.trail.verify().ok

    asyncio.run(story())


def test_a_refused_call_never_runs_and_the_model_hears_why(world: Start, replies: Replies) -> None:
    async def story() -> None:
        async with world(replies(call("poke", what="blackword"), {"text": "I may not."})) as w:
            await w.agent.turn("poke something")
            assert w.effects == []
            assert "intent" not in w.kinds()
            assert w.agent.messages[3].content.startswith("refused: ")

    asyncio.run(story())


def test_an_escalated_call_waits_and_the_conversation_goes_on(world: Start, replies: Replies) -> None:
    async def story() -> None:
        engine = replies(call("poke", what="grayword"), {"text": "It waits."}, {"text": "Sure."})
        async with world(engine) as w:
            await w.agent.turn("poke something")
            waiting = await w.ledger.waiting()
            assert [item.tool for item in waiting] == ["poke"]
            assert w.effects == []
            await w.agent.turn("and now talk")
            assert w.of(events.Answered)[-1].text == "Sure."

    asyncio.run(story())


def test_a_later_approval_runs_the_call_once_and_the_model_reports(world: Start, replies: Replies) -> None:
    async def story() -> None:
        engine = replies(call("poke", what="grayword"), {"text": "It waits."}, {"text": "Now it is poked."})
        async with world(engine) as w:
            await w.agent.turn("poke something")
            item = (await w.ledger.waiting())[0]
            w.queue.approve(item.id, item.digest, "ada")
            for news in await w.ledger.news() * 2:  # heard twice: it must still run once
                await w.agent.reviewed(news)
            assert w.effects == ["grayword"]
            assert w.of(events.Answered)[-1].text == "Now it is poked."
            assert w.kinds()[-2:] == ["intent", "outcome"] or "outcome" in w.kinds()
            assert await w.ledger.news() == []
            assert w.trail.verify().ok

    asyncio.run(story())


def test_an_approval_that_comes_after_a_restart_runs_in_the_new_program(world: Start, replies: Replies) -> None:
    async def story() -> None:
        async with world(replies(call("poke", what="grayword"), {"text": "It waits."})) as first:
            await first.agent.turn("poke something")
            item = (await first.ledger.waiting())[0]
            first.queue.approve(item.id, item.digest, "ada")
        async with world(replies({"text": "Done after all."})) as second:
            for news in await second.ledger.news():
                await second.agent.reviewed(news)
            assert second.effects == ["grayword"]
            assert [m.content for m in second.agent.messages if m.role == "user"] == ["poke something"]
            assert second.of(events.Answered)[-1].text == "Done after all."

    asyncio.run(story())


def test_a_living_session_keeps_its_own_reviews(world: Start, replies: Replies) -> None:
    async def story() -> None:
        async with world(replies(call("poke", what="grayword"), {"text": "It waits."})) as first:
            await first.agent.turn("poke something")
            item = (await first.ledger.waiting())[0]
            first.queue.approve(item.id, item.digest, "ada")
            async with world(replies()) as second:
                assert await second.ledger.news() == []
            assert [news.id for news in await first.ledger.news()] == [item.id]

    asyncio.run(story())


@pytest.mark.parametrize("state", ["refused", "expired"])
def test_a_call_that_is_not_approved_is_told_once_and_never_runs(world: Start, replies: Replies, state: str) -> None:
    async def story() -> None:
        async with world(replies(call("poke", what="grayword"), {"text": "It waits."})) as w:
            await w.agent.turn("poke something")
            item = (await w.ledger.waiting())[0]
            if state == "refused":
                w.queue.refuse(item.id, "ada", "not today")
            else:
                w.queue.expire_due(item.expires)
            for news in await w.ledger.news():
                await w.agent.reviewed(news)
            assert [event.state for event in w.of(events.Reviewed)] == [state]
            assert w.agent.messages[-1].role == "tool"
            assert w.effects == []
            assert await w.ledger.news() == []

    asyncio.run(story())


def test_a_refused_turn_never_reaches_the_model(world: Start, replies: Replies) -> None:
    async def story() -> None:
        async with world(replies({"text": "I should not be asked."})) as w:
            await w.agent.turn("please blackword")
            assert w.of(events.Answered) == []
            assert [m.role for m in w.agent.messages] == ["system"]
            assert w.kinds() == ["decision"]

    asyncio.run(story())


def test_after_a_flagged_turn_calls_with_effects_wait_and_reading_does_not(world: Start, replies: Replies) -> None:
    async def story() -> None:
        engine = replies(call("peek", what="a"), call("poke", what="b"), {"text": "There."})
        async with world(engine) as w:
            await w.agent.turn("a grayword wish")
            decisions = {e.call.name: e.verdict.decision.name for e in w.of(events.CallJudged)}
            # the marker backbone escalates both, since it reads the user's words; what matters is that poke never ran
            assert decisions["poke"] == "ESCALATE"
            assert w.effects == []

    asyncio.run(story())


def test_a_gate_that_crashes_is_a_fault_and_nothing_runs(world: Start, replies: Replies) -> None:
    async def story() -> None:
        async with world(replies(call("poke", what="crashword"), {"text": "It waits."})) as w:
            await w.agent.turn("poke something")
            verdict = w.of(events.CallJudged)[0].verdict
            assert (verdict.source.value, verdict.decision.name) == ("fault", "ESCALATE")
            assert w.effects == []

    asyncio.run(story())


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("nothing", {}),
        ("poke", "{"),
        ("poke", '{"what": "a", "what": "b"}'),
        ("poke", '{"what": NaN}'),
        ("poke", {"what": 1}),
        ("poke", {"what": "a", "more": "b"}),
        ("Poke", {"what": "a"}),
        (" poke", {"what": "a"}),
        ("poke", "[]"),
    ],
)
def test_what_is_no_valid_call_goes_back_to_the_model_and_is_recorded(
    world: Start, replies: Replies, name: str, arguments: Any
) -> None:
    async def story() -> None:
        async with world(replies({"calls": [{"name": name, "arguments": arguments}]}, {"text": "Sorry."})) as w:
            await w.agent.turn("poke")
            assert w.effects == []
            assert w.kinds() == ["decision", "invalid"]
            assert w.agent.messages[3].content.startswith("error: ")
            assert w.of(events.Answered)[-1].text == "Sorry."

    asyncio.run(story())


def test_several_calls_of_one_answer_are_gated_singly_and_run_at_the_same_time(world: Start, replies: Replies) -> None:
    async def story() -> None:
        many = {
            "calls": [
                {"name": "linger", "arguments": {"what": "one"}},
                {"name": "linger", "arguments": {"what": "two"}},
                {"name": "poke", "arguments": {"what": "blackword"}},
            ]
        }
        async with world(replies(many, {"text": "All done."})) as w:
            turn = asyncio.create_task(w.agent.turn("do it all"))
            for _ in range(2):
                await w.began.get()  # both began before either ended
            w.release.set()
            await turn
            assert sorted(w.effects) == ["one began", "one ended", "two began", "two ended"]
            assert [m.content[:7] for m in w.agent.messages if m.role == "tool"] == ["done", "done", "refused"]

    asyncio.run(story())


def test_stopping_a_turn_stops_its_tool_and_leaves_a_whole_trail(world: Start, replies: Replies) -> None:
    async def story() -> None:
        async with world(replies(call("linger", what="one"), {"text": "Next."})) as w:
            turn = asyncio.create_task(w.agent.turn("wait for it"))
            await w.began.get()
            turn.cancel()
            with pytest.raises(asyncio.CancelledError):
                await turn
            assert w.effects == ["one began"]
            assert w.kinds() == ["decision", "decision", "intent", "outcome"]
            assert w.of(events.Cancelled)
            await w.agent.turn("go on")
            assert w.of(events.Answered)[-1].text == "Next."

    asyncio.run(story())


def test_the_budgets_end_a_turn_that_never_ends(world: Start, replies: Replies) -> None:
    async def story() -> None:
        async with world(replies(*[call("poke", what=str(i)) for i in range(9)]), max_steps=5, max_calls=3) as w:
            await w.agent.turn("poke for ever")
            assert w.effects == ["0", "1", "2"]
            assert "5 steps" in w.of(events.Notice)[-1].text

    asyncio.run(story())


def test_a_call_by_hand_is_gated_like_any_other(world: Start, replies: Replies) -> None:
    async def story() -> None:
        async with world(replies()) as w:
            await w.agent.propose(ProposedCall("poke", '{"what": "box"}'))
            await w.agent.propose(ProposedCall("poke", '{"what": "blackword"}'))
            await w.agent.propose(ProposedCall("nothing", "{}"))
            assert w.effects == ["box"]
            assert w.kinds() == ["decision", "intent", "outcome", "decision", "invalid"]

    asyncio.run(story())


class Breaks:
    """An engine that breaks off."""

    name = "breaks"

    async def start(self) -> None: ...

    async def close(self) -> None: ...

    async def stream(
        self, messages: Sequence[Message], tools: Sequence[ToolSpec]
    ) -> AsyncGenerator[TextDelta | Reply, None]:
        yield TextDelta("I was about to")
        raise EngineFault("the language model died: SIGABRT")


def test_a_model_that_dies_ends_the_turn_with_a_clear_message(world: Start) -> None:
    async def story() -> None:
        async with world(Breaks()) as w:
            await w.agent.turn("hello")
            assert w.of(events.Failed)[0].text == "the language model died: SIGABRT"
            assert isinstance(w.seen[-1], events.TurnEnded)

    asyncio.run(story())


def test_without_a_trail_nothing_runs(world: Start, replies: Replies, database: Callable[[], Store]) -> None:
    async def story() -> None:
        async with world(replies(call("poke", what="box"))) as w:
            with database().write():  # another program holds the database
                await w.agent.turn("poke the box")
            assert w.effects == []
            assert "database" in w.of(events.Failed)[0].text

    asyncio.run(story())
