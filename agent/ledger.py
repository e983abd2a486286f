"""The trail and the queue as the agent uses them: off the event loop's thread, one write at a time, none cut short.

A write that was begun is finished even when the turn is cancelled; the cancellation is raised after it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any, TypeVar

from so8t.agent.limits import Limits, refused
from so8t.agent.stored import FORGOTTEN
from so8t.audit_db import Grants, Record, ReviewError, ReviewItem, ReviewQueue, Store, Trail, TrailError, alive, recover
from so8t.gate.allowed import Allowed, Approval, GrantUse
from so8t.gate.contract import Call, Decision, Message, Proposal, Verdict
from so8t.tools import Outcome

T = TypeVar("T")


class LedgerError(Exception):
    """The trail could not take a record, or the queue refused. What depended on it did not happen."""


class Ledger:
    """What one session writes. `owner` is whose calls wait in the queue: this user's in this folder."""

    def __init__(
        self, store: Store, session: str, owner: str, expires: timedelta, limits: Limits | None = None
    ) -> None:
        self.session = session
        self._store = store
        self._trail = Trail(store)
        self._queue = ReviewQueue(store)
        self._grants = Grants(store)
        self._owner = owner
        self._expires = expires
        self._limits = limits or Limits()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="so8t-ledger")
        self._uses: dict[str, GrantUse] = {}  # by the call's id
        self._raw: dict[str, Call] = {}  # calls as proposed: the stored ones have their secrets masked

    async def begin(self, facts: Mapping[str, Any]) -> list[Record]:
        """Open the session; intents that a crash left open become `unknown` and are returned."""
        left = await self._write(lambda: recover(self._store))
        await self._write(lambda: self._trail.session(self.session, {"event": "begin", **facts}))
        return left

    async def forgotten(self) -> None:
        """Say that the conversation begins anew."""
        await self._write(lambda: self._trail.session(self.session, {"event": FORGOTTEN}))

    async def message(self, message: Message) -> None:
        """Store a message of the conversation."""
        await self._write(lambda: self._trail.message(self.session, message))

    async def decided(self, proposal: Proposal, verdict: Verdict) -> str:
        """Store a verdict. Returns the id of what was judged."""
        return await self._write(lambda: self._trail.decided(self.session, proposal, verdict))

    async def invalid(self, call: Call, error: str) -> None:
        """Store a proposal that was no valid call."""
        await self._write(lambda: self._trail.invalid(self.session, call.name, call.arguments_json, error, call.id))

    async def intent(self, allowed: Allowed) -> None:
        """Store that the call is about to run."""
        await self._write(lambda: self._trail.intent(self.session, allowed.call, allowed.source))

    async def outcome(self, call: Call, outcome: Outcome) -> None:
        """Store what came of a call, whichever way it was allowed."""
        what = (outcome.status, outcome.output, outcome.truncated, outcome.ms)
        await self._write(lambda: self._trail.outcome(self.session, call.id, *what))

    async def judged(self, proposal: Proposal, verdict: Verdict) -> Verdict:
        """Store a verdict on a call, and put one that must wait into the queue.

        Returns the verdict that stands: ALLOW where a person's grant lets the call pass, REFUSE where too many wait.
        """
        return await self._write(lambda: self._judged(proposal, verdict))

    def allowed(self, call: Call, verdict: Verdict) -> Allowed:
        """The ticket for an ALLOW that `judged` returned: by the grant that was used for it, else by the gate."""
        use = self._uses.pop(call.id, None)
        return Allowed.by_verdict(call, verdict) if use is None else Allowed.by_grant(call, use)

    async def news(self) -> list[ReviewItem]:
        """Decided reviews that are this session's to take up: its own, and those of sessions that ended."""
        return await self._write(self._news)

    async def call_of(self, item: ReviewItem) -> Call:
        """The call that was submitted. After a restart it is read back from the queue."""
        if item.id in self._raw and not item.edited:
            return self._raw[item.id]
        return await self._write(lambda: self._queue.call_of(item))

    async def consume(self, item: ReviewItem, call: Call) -> Approval:
        """Use up an approval; in the same transaction the intent is stored."""
        return await self._write(lambda: self._queue.consume(item.id, call, self.session))

    async def acknowledge(self, item: ReviewItem) -> bool:
        """Say that the decision was heard; False where another program was first, or where it is another by now."""
        return await self._write(lambda: self._queue.acknowledge(item.id, item.changed_seq))

    async def waiting(self) -> list[ReviewItem]:
        """The calls of this owner that wait for a reviewer."""
        return await self._write(lambda: self._queue.items("pending", self._owner))

    async def story(self, id: str) -> list[Record]:
        """Everything about one call or turn. Raises LedgerError for an id that nobody knows."""
        found = await self._write(lambda: self._trail.story(id))
        if not found:
            raise LedgerError(f"nothing is recorded under the id {id!r}")
        return found

    def masked(self, text: str) -> str:
        """`text` as the trail would store it."""
        return self._store.masker.text(text)

    async def close(self) -> None:
        """End the session; finish what was begun."""
        try:
            await self._write(lambda: self._trail.session(self.session, {"event": "end"}))
        finally:
            await asyncio.to_thread(self._thread.shutdown)

    def _judged(self, proposal: Proposal, verdict: Verdict) -> Verdict:
        call, tool = proposal.call, proposal.tool
        assert call is not None
        waits = verdict.decision is Decision.ESCALATE
        if waits and (granted := self._grants.use(self.session, self._owner, proposal, verdict)):
            self._uses[call.id] = granted.use
            return granted.verdict
        if waits and (full := self._limits.exceeded(*self._queue.waiting(self.session))):
            verdict, waits = refused(verdict, full), False
        self._trail.decided(self.session, proposal, verdict)
        if waits:
            assert tool is not None
            words = proposal.user_text
            self._queue.submit(self.session, self._owner, call, tool, verdict, words, self._expires)
            self._raw[call.id] = call
        return verdict

    def _news(self) -> list[ReviewItem]:
        items = self._queue.decided(self._owner)
        others = alive(self._store, {item.session for item in items} - {self.session})
        return [item for item in items if item.session not in others]

    async def _write(self, job: Callable[[], T]) -> T:
        future = asyncio.get_running_loop().run_in_executor(self._thread, job)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            await asyncio.wait([future])
            raise
        except (TrailError, ReviewError) as error:
            raise LedgerError(str(error)) from None
