"""The conversation: a user's turn is judged, the model is asked, every call it proposes is gated, allowed ones run.

ESCALATE does not block: the model is told that the call waits, and the reviewer's decision comes in later as an event.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextlib import aclosing
from typing import Any

from so8t.agent import events, words
from so8t.agent.call import Calls
from so8t.agent.engines import EngineError, EngineFault, ProposedCall, Reply, TextDelta
from so8t.agent.ledger import LedgerError
from so8t.agent.parts import Parts
from so8t.audit_db import ReviewItem
from so8t.gate.contract import Call, Decision, Message, Proposal, Verdict


class Agent:
    """One conversation. `emit` hears every event, in order.

    `turn`, `propose` and `reviewed` wait for one another. Cancelling one stops it; what was recorded stays.
    """

    def __init__(self, parts: Parts, emit: Callable[[events.Event], None], history: Sequence[Message] = ()) -> None:
        self.parts = parts
        self.messages = list(history) or [Message("system", parts.system_prompt)]
        self._calls = Calls(parts, emit)
        self._emit = emit
        self._turn: Verdict | None = None
        self._busy = asyncio.Lock()

    async def turn(self, text: str) -> None:
        """Carry out one turn of the user."""
        await self._reporting(self._take_turn, text)

    async def propose(self, proposed: ProposedCall) -> None:
        """Carry out a call that a person wrote by hand: gated, recorded and run like any other."""
        await self._reporting(self._take_call, proposed)

    async def reviewed(self, item: ReviewItem) -> None:
        """Take up a reviewer's decision about a call of this conversation or of an earlier one."""
        await self._reporting(self._take_review, item)

    async def forget(self) -> None:
        """Begin a new conversation. What waits for a reviewer goes on waiting."""
        async with self._busy:
            self.messages, self._turn = [Message("system", self.parts.system_prompt)], None
            await self.parts.ledger.forgotten()

    async def step(self) -> bool:
        """Ask the model; gate each call that it proposes; run what is allowed; tell it what came of them."""
        reply = await self._ask()
        calls = [self._calls.validated(proposed) for proposed in reply.calls]
        await self._say(Message("assistant", reply.text, tuple(call for call, _ in calls)))
        for result in await self._handle_all(calls):
            await self._say(result)
        return bool(calls)

    async def _take_turn(self, text: str) -> None:
        message = Message("user", text)
        proposal = Proposal((*self.messages, message))
        self._turn = await self.parts.gate.decide(proposal)
        self._emit(events.TurnJudged(await self.parts.ledger.decided(proposal, self._turn), text, self._turn))
        if self._turn.decision is Decision.REFUSE:
            return  # the model never sees it
        await self._say(message)
        await self._steps()

    async def _take_call(self, proposed: ProposedCall) -> None:
        self._turn = None
        self._calls.new_turn()
        call, error = self._calls.validated(proposed)
        await self._say(Message("user", f"/call {proposed.name} {proposed.arguments}"))
        await self._say(Message("assistant", "", (call,)))
        for result in await self._handle_all([(call, error)]):
            await self._say(result)

    async def _take_review(self, item: ReviewItem) -> None:
        call = await self._calls.taken_up(item)
        if call is None:
            return  # another program of this user was first
        if not any(known.id == call.id for message in self.messages for known in message.calls):
            await self._say(Message("user", item.user_text))  # asked before the program was restarted
        await self._say(Message("assistant", "", (call,)))
        await self._say(await self._calls.after_review(item, call, self.messages[:-1]))
        if item.state == "approved":
            await self._steps()

    async def _steps(self) -> None:
        self._calls.new_turn()
        for _ in range(self.parts.max_steps):
            if not await self.step():
                return
        self._emit(events.Notice(f"stopped after {self.parts.max_steps} steps: say 'go on', or raise budget.steps"))

    async def _ask(self) -> Reply:
        reply = None
        async with aclosing(self.parts.engine.stream(tuple(self.messages), self.parts.toolbox.specs)) as pieces:
            async for piece in pieces:
                if isinstance(piece, TextDelta):
                    self._emit(events.Delta(piece.text))
                else:
                    reply = piece
        if reply is None:
            raise EngineFault("the model broke off without an answer: try again")
        if reply.notice:
            self._emit(events.Notice(reply.notice))
        self._emit(events.Answered(reply.text))
        return reply

    async def _handle_all(self, calls: Sequence[tuple[Call, str | None]]) -> list[Message]:
        """Judge each call on its own and run the allowed ones at the same time; a failure does not stop the others."""
        seen = tuple(self.messages[:-1])  # without this answer: each call is judged by what came before it
        work = (self._calls.handle(call, error, seen, self._turn) for call, error in calls)
        try:
            results = await asyncio.gather(*work, return_exceptions=True)
        except asyncio.CancelledError:
            self.messages += [words.stopped(call) for call, _ in calls]
            raise
        if failed := [result for result in results if isinstance(result, BaseException)]:
            self.messages += [words.stopped(call) for call, _ in calls]
            raise failed[0]
        return [result for result in results if isinstance(result, Message)]

    async def _say(self, message: Message) -> None:
        self.messages.append(message)
        await self.parts.ledger.message(message)

    async def _reporting(self, work: Callable[[Any], Coroutine[Any, Any, None]], what: object) -> None:
        async with self._busy:
            try:
                await work(what)
            except (EngineError, LedgerError) as error:
                self._emit(events.Failed(str(error)))
            except asyncio.CancelledError:
                self._emit(events.Cancelled())
                raise
            finally:
                self._emit(events.TurnEnded())
