"""One call, from proposal to record.

No tool starts without a recorded decision. An `Allowed` comes from an ALLOW verdict, a consumed approval or a used
grant and from nothing else; the intent is stored before the tool starts and the outcome after it ended.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress

from so8t.agent import events, words
from so8t.agent.engines import ProposedCall
from so8t.agent.ledger import LedgerError
from so8t.agent.parts import Parts
from so8t.audit_db import ReviewItem
from so8t.gate.allowed import Allowed, Approval
from so8t.gate.contract import Call, Decision, Message, Proposal, Verdict
from so8t.tools import InvalidArguments, Outcome, UnknownTool


class Calls:
    """Judges and runs the calls of one conversation; every method returns what the model is told."""

    def __init__(self, parts: Parts, emit: Callable[[events.Event], None]) -> None:
        self._parts = parts
        self._emit = emit
        self._count = 0
        self._approvals: dict[str, Approval] = {}

    def new_turn(self) -> None:
        """The budget starts anew."""
        self._count = 0

    def validated(self, proposed: ProposedCall) -> tuple[Call, str | None]:
        """The call, and what is wrong with it, if anything."""
        try:
            return self._parts.toolbox.validate(proposed.name, proposed.arguments), None
        except (UnknownTool, InvalidArguments) as error:
            return words.stand_in(proposed), str(error)

    async def handle(self, call: Call, error: str | None, messages: Sequence[Message], turn: Verdict | None) -> Message:
        """Judge one call in its conversation; run it, queue it or refuse it."""
        self._count += 1
        if error is None and self._count > self._parts.max_calls:
            error = f"the budget of {self._parts.max_calls} calls a turn is used up (budget.calls)"
        if error is not None:
            return await self._invalid(call, error)
        proposal = Proposal(tuple(messages), self._parts.toolbox.get(call.name).spec, call, turn)
        verdict = await self._parts.gate.decide(proposal)
        verdict = await self._parts.ledger.judged(proposal, verdict)
        match verdict.decision:
            case Decision.ALLOW:
                self._emit(events.CallJudged(call, verdict))
                return await self._run(self._parts.ledger.allowed(call, verdict))
            case Decision.ESCALATE:
                self._emit(events.CallJudged(call, verdict))
                return words.waiting(call, verdict)
            case _:
                self._emit(events.CallJudged(call, verdict))
                return words.refused(call, verdict)

    async def taken_up(self, item: ReviewItem) -> Call | None:
        """Make a reviewer's decision this program's to carry out. None where another program was first.

        An approval is consumed, which stores the intent; a call that can no longer run is heard of once, and no more.
        """
        ledger = self._parts.ledger
        try:
            call = await ledger.call_of(item)
            if item.state == "approved":
                self._approvals[item.id] = await ledger.consume(item, call)
            elif not await ledger.acknowledge(item):
                return None
        except LedgerError:
            if not await ledger.acknowledge(item):
                return None
            raise
        self._emit(events.Reviewed(item.id, item.tool, item.state, item.reviewer or "", item.reviewer_reason or ""))
        if item.edited:
            self._emit(events.Notice(words.edit_notice(call, item)))
        return call

    async def after_review(self, item: ReviewItem, call: Call, messages: Sequence[Message]) -> Message:
        """Run the call if it was approved. What a reviewer edited is judged by this agent's tools and gate as well."""
        if item.state != "approved":
            return words.not_approved(call, item)
        allowed = Allowed.by_approval(call, self._approvals.pop(item.id))
        if not item.edited:
            return await self._run(allowed, intended=True)
        asked = (*messages, Message("user", item.user_text))
        return words.edited(call, await self._run(allowed, intended=True, edited_in=asked))

    async def _objection(self, call: Call, messages: tuple[Message, ...]) -> Outcome | None:
        """Why an edited call cannot run here, although somebody approved it."""
        try:
            self._parts.toolbox.validate(call.name, call.arguments_json)
        except (UnknownTool, InvalidArguments) as error:
            return Outcome("error", f"not run: {error}", truncated=False, ms=0.0)
        proposal = Proposal(messages, self._parts.toolbox.get(call.name).spec, call)
        verdict = await self._parts.gate.decide(proposal)
        if verdict.decision is not Decision.REFUSE:
            return None
        return Outcome("error", f"not run, the gate refuses it: {'; '.join(verdict.reasons)}", truncated=False, ms=0.0)

    async def _invalid(self, call: Call, error: str) -> Message:
        await self._parts.ledger.invalid(call, error)
        self._emit(events.CallInvalid(call, error))
        return words.invalid(call, error)

    async def _run(
        self, allowed: Allowed, intended: bool = False, edited_in: tuple[Message, ...] | None = None
    ) -> Message:
        outcome = Outcome("cancelled", "stopped before it ended", truncated=False, ms=0.0)
        try:
            if not intended:
                await self._parts.ledger.intent(allowed)
            objection = None if edited_in is None else await self._objection(allowed.call, edited_in)
            outcome = objection or await self._parts.executor.run(allowed)
        except asyncio.CancelledError:
            with suppress(LedgerError):  # nothing to end where the intent was never stored
                await self._parts.ledger.outcome(allowed.call, outcome)
            raise
        await self._parts.ledger.outcome(allowed.call, outcome)
        self._emit(events.CallFinished(allowed.call, outcome))
        return words.result(allowed.call, outcome)
