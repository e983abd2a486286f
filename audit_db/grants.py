"""Grants: a person lets calls of one tool with stated arguments pass, for one session or until a date, at most N times.

A use is counted and recorded in the very transaction that stores the decision which it makes, under the database's
write lock: two programs never use a grant more often than it allows. A row that somebody edited is `Forged`, and a
forged grant lets nothing pass. All methods block until the database has committed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, exists, insert, select, update

from so8t.audit_db.chain import Record, append, timestamp
from so8t.audit_db.claims import named
from so8t.audit_db.errors import BadFilter, Forged, GrantOver, GrantRefused, UnknownGrant, nearest
from so8t.audit_db.grant import (
    CHANGING,
    GRANTED,
    KIND,
    PREFIX,
    REVOKED,
    USED,
    Grant,
    columns,
    proven,
    records_of,
    step,
    to_grant,
)
from so8t.audit_db.mask import MaskedText
from so8t.audit_db.plain import plain_text
from so8t.audit_db.schema import call_grant, record
from so8t.audit_db.store import Store
from so8t.audit_db.trail import Trail
from so8t.gate.allowed import GrantUse
from so8t.gate.contract import Call, Proposal, ToolSpec, Verdict, new_id
from so8t.gate.grants import Exactly, Stated, covers, may_turn, stated_json, turned
from so8t.gate.pins import definition
from so8t.gate.strict_json import StrictJsonError, canonical, loads

MOST_TIMES = 1_000_000


@dataclass(frozen=True, slots=True)
class Granted:
    """A call that a grant lets pass: the verdict as it was stored, and the counted use."""

    verdict: Verdict
    use: GrantUse


class Grants:
    """What people let pass. Besides the errors named below, every method raises TrailUnavailable and TrailDamaged."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._masker = store.masker
        self._trail = Trail(store)

    def add(
        self,
        owner: str,
        tool: ToolSpec,
        stated: Stated,
        by: str,
        *,
        session: str | None = None,
        until: datetime | None = None,
        times: int | None = None,
    ) -> Grant:
        """Let calls of exactly this tool with exactly these arguments pass, in the agents of `owner`.

        Raises:
            GrantRefused: neither a session nor a date, a date that is over, or a value that holds a secret.
            BadFilter: nobody is named, or a number of times below 1.
        """
        now = self._store.clock()
        if times is not None and not 1 <= times <= MOST_TIMES:
            raise BadFilter(f"{times} times: a grant is for 1 to {MOST_TIMES} uses")
        if session is None and until is None:
            raise GrantRefused("a grant is for one session or until a date: name one of them")
        if until is not None and timestamp(until) <= timestamp(now):
            raise GrantRefused(f"the grant would be over already: it is {timestamp(now)[:19]}Z")
        id_ = PREFIX + new_id()
        fixed: dict[str, Any] = {
            "id": id_,
            "owner": self._stored(owner),
            "tool": self._stored(tool.name),
            "definition": definition(tool),
            "arguments": MaskedText(self._without_secrets(tool, stated)),
            "session": None if session is None else self._stored(session),
            "until": None if until is None else timestamp(until),
            "times": times,
            "made_by": named(self._masker, by),
            "created": timestamp(now),
        }
        with self._store.write() as conn:
            body = {"event": GRANTED, "grant": fixed}
            made = append(conn, self._masker, now, KIND, session or "", body, subject=id_)
            conn.execute(insert(call_grant).values(**step({}, made)))
            return self._one(conn, id_)

    def all(self, owner: str | None = None) -> tuple[list[Grant], list[str]]:
        """The grants (of `owner`), oldest first, and the ids of those that somebody edited by hand."""
        query = select(call_grant).order_by(call_grant.c.made_seq)
        with self._store.read() as conn:
            sound, forged = [], []
            for row in conn.execute(query if owner is None else query.where(self._of(owner))).all():
                try:
                    sound.append(self._grant(conn, row))
                except Forged:
                    forged.append(row.id)
        return sound, forged

    def get(self, id: str) -> Grant:
        """One grant. Raises UnknownGrant, Forged."""
        with self._store.read() as conn:
            return self._one(conn, id)

    def records(self, id: str) -> list[Record]:
        """How it was made, each use, how it ended; oldest first."""
        with self._store.read() as conn:
            return records_of(conn, id)

    def revoke(self, id: str, by: str) -> Grant:
        """Let nothing more pass by this grant. Raises UnknownGrant, Forged, GrantOver, BadFilter (nobody is named)."""
        by = named(self._masker, by)
        with self._store.write() as conn:
            grant = self._one(conn, id)
            if grant.state != "active":
                raise GrantOver(f"the grant {id} is {grant.state} already: it lets nothing pass")
            self._change(conn, self._store.clock(), id, grant.session or "", {"event": REVOKED, "by": by})
            return self._one(conn, id)

    def use(self, session: str, owner: str, proposal: Proposal, verdict: Verdict) -> Granted | None:
        """Turn an ESCALATE into ALLOW by the oldest grant that fits; the use and the decision are one transaction.

        None, with nothing stored, where no grant fits, or where none may turn this verdict.

        Raises:
            DecisionRefused: the call was decided before; no use is counted then.
        """
        call, tool = proposal.call, proposal.tool
        if call is None or tool is None or verdict.digest != call.digest or not may_turn(verdict):
            return None
        query = self._candidates(session, owner, tool)
        with self._store.read() as conn:  # no write lock where nothing could fit
            if conn.execute(query).first() is None:
                return None
        with self._store.write() as conn:
            now = self._store.clock()
            fitting = (g for g in self._active(conn, query, now) if g.tool == call.name and covers(g.stated, call))
            grant = next(fitting, None)
            if grant is None:
                return None
            use = GrantUse(grant.id, call.digest, grant.made_by, grant.uses + 1, grant.times)
            facts = {"event": USED, "use": use.number, "call": call.id, "digest": self._masker.call(call).digest}
            self._change(conn, now, grant.id, session, facts)
            stands = turned(verdict, use)
            self._trail.decided_in(conn, session, proposal, stands, grant=_told(use, verdict))
            return Granted(stands, use)

    def _active(self, conn: Connection, query: Select[Any], now: datetime) -> Iterator[Grant]:
        """Those that hold now and that the trail proves."""
        for row in conn.execute(query).all():
            with suppress(Forged):
                grant = self._grant(conn, row, now)
                if grant.state == "active":
                    yield grant

    def _change(self, conn: Connection, now: datetime, id_: str, session: str, facts: dict[str, Any]) -> None:
        """Record what happened to a grant that was found sound, and what it makes of the row."""
        row = conn.execute(select(call_grant).where(call_grant.c.id == id_)).one()
        written = append(conn, self._masker, now, KIND, session, facts, subject=id_)
        after = step(columns(row), written)
        assert after, f"{facts['event']} cannot follow"
        conn.execute(update(call_grant).where(call_grant.c.id == id_).values({name: after[name] for name in CHANGING}))

    def _candidates(self, session: str, owner: str, tool: ToolSpec) -> Select[Any]:
        mine = call_grant.c.session.is_(None) | (call_grant.c.session == self._stored(session))
        same = (call_grant.c.tool == self._stored(tool.name)) & (call_grant.c.definition == definition(tool))
        left = call_grant.c.times.is_(None) | (call_grant.c.uses < call_grant.c.times)
        query = select(call_grant).where(self._of(owner), same, mine, left, call_grant.c.revoked_at.is_(None))
        return query.order_by(call_grant.c.made_seq)

    def _one(self, conn: Connection, id_: str) -> Grant:
        row = conn.execute(select(call_grant).where(call_grant.c.id == id_)).one_or_none()
        if row is not None:
            return self._grant(conn, row)
        holding = conn.scalars(select(call_grant.c.id).where(call_grant.c.revoked_at.is_(None)).limit(1000)).all()
        raise UnknownGrant(f"no grant {id_!r}; there are: {nearest(id_, holding) or 'none'}")

    def _grant(self, conn: Connection, row: Row[Any], now: datetime | None = None) -> Grant:
        return to_grant(proven(conn, row), self._over(conn, row, now or self._store.clock()))

    def _over(self, conn: Connection, row: Row[Any], now: datetime) -> bool:
        """By the latest time seen since the grant was made, so that a clock that jumps back revives nothing."""
        if row.until is None:
            return False
        # `+ 0` keeps SQLite off the primary key: the index on `at` finds at once that nothing is later
        seen = exists().where(record.c.at >= row.until, record.c.seq + 0 >= row.made_seq)
        return bool(row.until <= timestamp(now) or conn.scalar(select(seen)))

    def _of(self, owner: str) -> Any:
        return call_grant.c.owner == self._stored(owner)

    def _stored(self, text: str) -> str:
        return MaskedText(self._masker.text(plain_text(text)))

    def _without_secrets(self, tool: ToolSpec, stated: Stated) -> str:
        """What is stated, as canonical JSON. Raises GrantRefused."""
        texts = {name: loads(s.value_json) if isinstance(s, Exactly) else s.pattern for name, s in stated.items()}
        try:
            call, text = Call(tool.name, canonical(texts)), stated_json(stated)
        except StrictJsonError as error:
            raise GrantRefused(f"no call can have such arguments: {error}") from None
        if self._masker.call(call).digest != call.digest:
            raise GrantRefused("a stated value holds a secret, which is never stored: it cannot be granted")
        return text


def _told(use: GrantUse, verdict: Verdict) -> dict[str, Any]:
    """What stands beside the decision: which grant made it, and what the gate itself had said."""
    gate = {"decision": verdict.decision.name, "source": verdict.source}
    return {"id": use.grant, "by": use.by, "use": use.number, "times": use.times, "gate": gate}
