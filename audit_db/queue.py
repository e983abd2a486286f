"""The review queue: calls that wait for a person, and what became of them.

    pending -> approved -> executing -> done | unknown
    pending -> refused | expired | cancelled        approved -> expired | cancelled
    refused | expired -> pending, where a reviewer reopens the item (revisions.py)

Each change of state and its record in the trail are one transaction. Before an item is acted on it is compared with
its records: a row that somebody edited is `Forged`. All methods block until the database has committed.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, insert, select

from so8t.audit_db import submission
from so8t.audit_db.chain import append, timestamp
from so8t.audit_db.claims import may_decide, named
from so8t.audit_db.errors import (
    AlreadyConsumed,
    BadFilter,
    DigestMismatch,
    Expired,
    NotApproved,
    NotPending,
    ReviewError,
    SecretNotStored,
    nearest,
)
from so8t.audit_db.item import ReviewItem, change, columns, move, to_item
from so8t.audit_db.lifecycle import current
from so8t.audit_db.lookup import due, one, sound, waiting
from so8t.audit_db.schema import STATES, review_item
from so8t.audit_db.store import Store
from so8t.gate.allowed import Approval
from so8t.gate.contract import Call, Source, ToolSpec, Verdict


class ReviewQueue:
    """Calls that wait for a person.

    Besides the errors named below, every method raises TrailUnavailable and TrailDamaged as the trail does.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._masker = store.masker

    def submit(
        self, session: str, owner: str, call: Call, tool: ToolSpec, verdict: Verdict, user_text: str, ttl: timedelta
    ) -> ReviewItem:
        """Put a call into the queue; `owner` is whose agent will run it (the workspace).

        Raises:
            SubmitRefused: the trail holds no ESCALATE for exactly this call, or the call was submitted before.
            BadFilter: a time to live that is not positive.
        """
        if ttl <= timedelta(0):
            raise BadFilter(f"the time to live {ttl} must be positive")
        fixed = submission.columns(self._masker, session, owner, call, tool, verdict, user_text)
        with self._store.write() as conn:
            submission.may_wait(conn, call, verdict, fixed["digest"])
            now = self._store.clock()
            item = fixed | {"created": timestamp(now), "expires": timestamp(now + ttl)}
            body = {"event": "submitted", "item": item}
            seq = append(conn, self._masker, now, "review", session, body, subject=call.id).seq
            conn.execute(insert(review_item).values(**item, state="pending", submitted_seq=seq, changed_seq=seq))
            return to_item(one(conn, call.id))

    def waiting(self, session: str) -> tuple[int, int]:
        """How many calls wait whose time is not over: of one session, of all."""
        with self._store.read() as conn:
            now = self._store.clock()
            return waiting(conn, now, session), waiting(conn, now)

    def items(self, state: str | None = None, owner: str | None = None, limit: int = 1000) -> list[ReviewItem]:
        """Items, oldest first, as the table has them: `get` and every decision also compare with the trail.

        Raises:
            BadFilter: an unknown state.
            Forged: a row that cannot be read.
        """
        if state is not None and state not in STATES:
            raise BadFilter(f"unknown state {state!r}; valid: {nearest(state, STATES)}")
        equal = {"state": state, "owner": owner}
        where = [review_item.c[name] == value for name, value in equal.items() if value is not None]
        return self._select(where, limit)

    def get(self, id: str) -> ReviewItem:
        """One item. Raises UnknownItem, Forged."""
        with self._store.read() as conn:
            return to_item(one(conn, id))

    def approve(self, id: str, digest: str, reviewer: str, note: str = "", token: int | None = None) -> ReviewItem:
        """Allow the call that has this digest to run once.

        Args:
            token: of the reviewer's claim. Without one it works where nobody else holds a claim.

        Raises:
            UnknownItem, NotPending, Expired, DigestMismatch, Forged, ClaimLost, HeldByAnother, BadFilter (no reviewer)
        """
        return self._decide(id, "approved", reviewer, note, digest, token)

    def refuse(self, id: str, reviewer: str, reason: str, token: int | None = None) -> ReviewItem:
        """Forbid the call. Raises what `approve` raises, but for DigestMismatch."""
        return self._decide(id, "refused", reviewer, reason, None, token)

    def cancel(self, id: str, who: str, reason: str) -> ReviewItem:
        """Take back a call that has not started. Raises UnknownItem, NotPending, Forged."""
        with self._store.write() as conn:
            row = one(conn, id)
            if row.state not in ("pending", "approved"):
                raise NotPending(f"the review {id} is {row.state}: it can no longer be cancelled")
            self._move(conn, row, "cancelled", reviewer=who, reviewer_reason=reason)
            return to_item(one(conn, id))

    def expire_due(self, now: datetime | None = None) -> list[ReviewItem]:
        """Expire what waited too long; returns those items. Forged ones are left: they can never run."""
        now = now or self._store.clock()
        with self._store.read() as conn:  # no write lock where nothing is due
            if not due(conn, now):
                return []
        with self._store.write() as conn:
            late = sound(conn, due(conn, now))
            for row in late:
                self._move(conn, row, "expired", now)
            return [to_item(row) for row in sound(conn, [row.id for row in late])]

    def decided(self, owner: str) -> list[ReviewItem]:
        """What an agent polls: its items that a person (or the clock) decided and that it neither heard of nor used.

        Forged items are left out: `Trail.verify` names them.
        """
        self.expire_due()
        query = select(review_item.c.id).where(
            review_item.c.owner == owner,
            review_item.c.state.in_(("approved", "refused", "expired", "cancelled")),
            review_item.c.acknowledged_seq.is_(None),
        )
        with self._store.read() as conn:
            ids = conn.scalars(query.order_by(review_item.c.changed_seq)).all()
            return [to_item(row) for row in sound(conn, ids)]

    def acknowledge(self, id: str, changed_seq: int | None = None) -> bool:
        """The agent heard of the decision. True for exactly one caller, also among several programs.

        Args:
            changed_seq: of the item that the agent saw. False where the item was reopened or decided anew since then.

        Raises:
            UnknownItem, Forged, NotApproved (nothing was decided yet)
        """
        with self._store.write() as conn:
            row = one(conn, id)
            if changed_seq not in (None, row.changed_seq):
                return False
            if row.state == "pending":
                raise NotApproved(f"the review {id} is not decided yet")
            return self._acknowledge(conn, row)

    def consume(self, id: str, call: Call, session: str) -> Approval:
        """Use an approval: in one transaction it is checked and spent, and the intent to run is recorded.

        Args:
            session: the session that will run the call.

        Raises:
            UnknownItem, NotApproved, Expired, AlreadyConsumed, DigestMismatch, Forged
        """
        late: ReviewError | None = None
        with self._store.write() as conn:
            row = one(conn, id)
            self._consumable(row, call)
            late = self._expire_if_due(conn, row)
            if late is None:
                self._move(conn, row, "executing")
                self._acknowledge(conn, row)
                intent = {"digest": _digest(row), "source": Source.HUMAN, "reviewer": row.reviewer}
                append(conn, self._masker, self._store.clock(), "intent", session, intent, subject=id)
        if late is not None:
            raise late
        return Approval(item=id, digest=call.digest, reviewer=row.reviewer)

    def call_of(self, item: ReviewItem) -> Call:
        """The call of an item, for an agent that no longer has it in memory. Raises SecretNotStored."""
        if item.masked:
            raise SecretNotStored(
                f"the call {item.id} of {item.tool} held a secret, which is never stored: ask for the call again "
                "in the conversation, and cancel this one"
            )
        return Call(item.tool, item.arguments_json, item.id)

    def _decide(
        self, id_: str, state: str, reviewer: str, reason: str, digest: str | None, token: int | None
    ) -> ReviewItem:
        reviewer = named(self._masker, reviewer)
        with self._store.write() as conn:
            row = one(conn, id_)
            may_decide(row, reviewer, token, self._store.clock())
            if digest is not None and digest != _digest(row):
                raise DigestMismatch(f"the review {id_} is about another call than the one shown: look at it again")
            late = self._expire_if_due(conn, row)
            if late is None:
                self._move(conn, row, state, reviewer=reviewer, reviewer_reason=reason)
            decided = to_item(one(conn, id_))
        if late is not None:
            raise late
        return decided

    def _consumable(self, row: Row[Any], call: Call) -> None:
        if row.state in ("executing", "done", "unknown"):
            raise AlreadyConsumed(f"the approval of {row.id} was used before: it is good for one run")
        if row.state == "expired":
            raise Expired(f"the review {row.id} expired: ask for the call again")
        if row.state != "approved":
            raise NotApproved(f"the review {row.id} is {row.state}, not approved")
        if call.id != row.id or self._masker.call(call).digest != _digest(row):
            raise DigestMismatch(f"the call is not the one that was approved as {row.id}")

    def _expire_if_due(self, conn: Connection, row: Row[Any]) -> Expired | None:
        """Expire the item if its time is over; the error to raise once that is committed."""
        now = self._store.clock()
        if row.id not in due(conn, now, review_item.c.id == row.id):
            return None
        self._move(conn, row, "expired", now)
        return Expired(f"the review {row.id} expired at {row.expires}: ask for the call again")

    def _acknowledge(self, conn: Connection, row: Row[Any]) -> bool:
        if row.acknowledged_seq is not None:
            return False
        now_row = conn.execute(select(review_item).where(review_item.c.id == row.id)).one()  # as `_move` left it
        change(conn, self._masker, self._store.clock(), now_row, "acknowledged")
        return True

    def _move(self, conn: Connection, row: Row[Any], state: str, now: datetime | None = None, **facts: str) -> None:
        move(conn, self._masker, now or self._store.clock(), row, state, **facts)

    def _select(self, where: Sequence[ColumnElement[bool]], limit: int) -> list[ReviewItem]:
        query = select(review_item).where(*where).order_by(review_item.c.created, review_item.c.id).limit(limit)
        with self._store.read() as conn:
            return [to_item(row) for row in conn.execute(query)]


def _digest(row: Row[Any]) -> str:
    """Of the call that a decision is about: as edited, else as proposed."""
    return str(current(columns(row), "digest"))
