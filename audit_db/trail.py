"""The audit trail, as the agent writes it and as people read it.

All methods block until the database has committed; an event loop calls them in a thread.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import IO, Any, Literal

from sqlalchemy import Connection, select

from so8t.audit_db import bodies, export, reading, verify
from so8t.audit_db.chain import Record, append, check, of_row
from so8t.audit_db.errors import DecisionRefused, Forged, IntentRefused, OutcomeRefused
from so8t.audit_db.grant import forged_grants
from so8t.audit_db.item import move, proven
from so8t.audit_db.schema import record, review_item
from so8t.audit_db.store import Store
from so8t.gate.contract import Call, Decision, Message, Proposal, Source, Verdict, new_id
from so8t.gate.strict_json import NotCanonical


class Trail:
    """Append-only, hash-chained records of everything that was said, decided and done.

    Every method raises TrailUnavailable where the database cannot be used and TrailDamaged where the end of the trail
    was changed; then nothing was recorded and nothing may run.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._masker = store.masker

    def session(self, session: str, facts: Mapping[str, Any]) -> None:
        """A session began (or ended); `facts` say with what."""
        self._append("session", session, facts, subject=session)

    def message(self, session: str, message: Message) -> None:
        """A message of the conversation."""
        self._append("message", session, bodies.of_message(message, self._masker), subject=message.call_id or "")

    def invalid(self, session: str, name: str, arguments_text: str, error: str, call_id: str | None = None) -> str:
        """A proposed call that could not be read; returns the id it is recorded under."""
        subject = call_id or new_id()
        self._append("invalid", session, {"name": name, "arguments": arguments_text, "error": error}, subject=subject)
        return subject

    def fault(self, session: str, text: str, subject: str = "") -> None:
        """Something failed."""
        self._append("fault", session, {"text": text}, subject=subject)

    def decided(self, session: str, proposal: Proposal, verdict: Verdict) -> str:
        """A verdict. Returns the id it is recorded under: the call's, or a fresh one for a user's turn.

        Raises:
            DecisionRefused: the verdict is about something else, is a person's, or this call was decided before.
        """
        if verdict.source is Source.HUMAN:
            raise DecisionRefused("the gate decides nothing for a person: what a grant lets pass is stored by its use")
        with self._store.write() as conn:
            return self.decided_in(conn, session, proposal, verdict)

    def decided_in(self, conn: Connection, session: str, proposal: Proposal, verdict: Verdict, **more: Any) -> str:
        """`decided` in a transaction that does more than that; `more` is recorded beside the verdict."""
        if not _is_about(verdict, proposal):
            raise DecisionRefused("the verdict is not about this proposal: ask the gate again")
        subject = proposal.call.id if proposal.call else new_id()
        if _find(conn, subject, "decision"):
            raise DecisionRefused(f"the call {subject} was decided before: a new proposal needs a new id")
        body = bodies.of_decision(proposal, verdict, self._masker) | more
        self._append_in(conn, "decision", session, body, subject=subject, decision=verdict.decision.name)
        return subject

    def intent(self, session: str, call: Call, source: Source) -> None:
        """The call is about to run, by a verdict. (`ReviewQueue.consume` records the intent of an approved call.)

        Raises:
            IntentRefused: no stored ALLOW for exactly this call, or it was started before.
        """
        digest = self._masker.call(call).digest
        with self._store.write() as conn:
            decision = _find(conn, call.id, "decision")
            if decision is None or decision.decision != Decision.ALLOW.name:
                raise IntentRefused(f"the call {call.id} of {call.name} was not allowed: nothing stored says ALLOW")
            if check(conn, decision).body["digest"] != digest:
                raise IntentRefused(f"the call {call.id} of {call.name} is not the one that was allowed")
            if _find(conn, call.id, "intent"):
                raise IntentRefused(
                    f"the call {call.id} of {call.name} was started before: a decision is good for one run"
                )
            self._append_in(conn, "intent", session, {"digest": digest, "source": source}, subject=call.id)

    def outcome(self, session: str, call_id: str, status: str, output: str, truncated: bool, ms: float) -> None:
        """What a started call came to. An approved call's review item is `done` in the same transaction.

        Raises:
            OutcomeRefused: the call was not started, or its end is recorded already.
        """
        body = {"status": status, "output": output, "truncated": truncated, "ms": ms}
        self._end("outcome", session, call_id, body, "done")

    def open_intents(self, sessions_alive: Set[str] = frozenset()) -> list[Record]:
        """Intents without an end whose session is not among `sessions_alive`, oldest first."""
        return reading.open_intents(self._store, sessions_alive)

    def mark_unknown(self, intent: Record) -> None:
        """Record that nobody knows whether the started call took effect. It is never tried again.

        Raises:
            OutcomeRefused: its end is recorded already.
        """
        body = {"text": "the program ended between the start of the call and its outcome"}
        self._end("unknown", intent.session, intent.subject, body, "unknown")

    def records(
        self,
        *,
        kind: str | None = None,
        session: str | None = None,
        subject: str | None = None,
        decision: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        text: str | None = None,
        limit: int | None = None,
        after_seq: int = 0,
    ) -> Iterator[Record]:
        """Records, oldest first, a few hundred in memory at a time.

        Args:
            since, until: with a time zone; `until` is excluded.
            text: anywhere in the body, whatever the case of its Latin letters.

        Raises:
            BadFilter: an unknown kind or decision, a time without a zone.
        """
        equal = {"kind": kind, "session": session, "subject": subject, "decision": decision}
        where = reading.conditions(self._store, equal, since, until, text)
        return reading.pages(self._store, where, limit, after_seq)

    def story(self, subject: str) -> list[Record]:
        """Everything about one call or turn, oldest first, with the user's message and turn that led to it."""
        return reading.story(self._store, subject)

    def conversation(self, session: str) -> list[Message]:
        """The messages of a session, secrets masked."""
        return [bodies.to_message(found) for found in self.records(kind="message", session=session)]

    def verify(self) -> verify.Verification:
        """Walk the whole chain and compare the queue and the grants with it; names the first bad record."""
        found = verify.verify(self._store)
        problem = forged_grants(self._store) if found.ok else None
        return found if problem is None else replace(found, ok=False, problem=problem)

    def export(self, file: IO[str], format: Literal["jsonl", "csv"] = "jsonl", **filters: Any) -> int:  # noqa: A002 - the option's name
        """Write records as text; `filters` are those of `records`. Returns how many. Raises BadFilter."""
        return export.export(self.records(**filters), file, format)

    def _append(self, kind: str, session: str, body: Mapping[str, Any], *, subject: str = "") -> None:
        with self._store.write() as conn:
            self._append_in(conn, kind, session, body, subject=subject)

    def _append_in(
        self,
        conn: Connection,
        kind: str,
        session: str,
        body: Mapping[str, Any],
        *,
        subject: str,
        decision: str | None = None,
    ) -> None:
        append(conn, self._masker, self._store.clock(), kind, session, body, subject=subject, decision=decision)

    def _end(self, kind: str, session: str, call_id: str, body: Mapping[str, Any], state: str) -> None:
        with self._store.write() as conn:
            if _find(conn, call_id, "intent") is None:
                raise OutcomeRefused(f"the call {call_id} was never started: it can have no outcome")
            if _find(conn, call_id, "outcome", "unknown"):
                raise OutcomeRefused(f"the end of the call {call_id} is recorded already")
            self._append_in(conn, kind, session, body, subject=call_id)
            self._end_review(conn, call_id, state)

    def _end_review(self, conn: Connection, call_id: str, state: str) -> None:
        row = conn.execute(select(review_item).where(review_item.c.id == call_id)).one_or_none()
        if row is None:
            return
        with suppress(Forged):  # what happened is recorded all the same; verify() names the forged item
            move(conn, self._masker, self._store.clock(), proven(conn, row), state)


def _is_about(verdict: Verdict, proposal: Proposal) -> bool:
    try:
        return verdict.digest == proposal.digest
    except NotCanonical:  # broken Unicode: recorded, but never as something that may run
        return verdict.decision is not Decision.ALLOW


def _find(conn: Connection, subject: str, *kinds: str) -> Record | None:
    found = conn.execute(select(record).where(record.c.subject == subject, record.c.kind.in_(kinds))).first()
    return of_row(found) if found else None
