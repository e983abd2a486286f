"""What the queue costs in people's time, and what was decided lately: as the table has it, unlike `get` unproven."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select

from so8t.audit_db.chain import timestamp
from so8t.audit_db.item import ReviewItem, to_item
from so8t.audit_db.lookup import waiting
from so8t.audit_db.schema import record, review_item
from so8t.audit_db.store import Store

BY_PEOPLE = ("approved", "refused", "expired", "executing", "done", "unknown")  # with a reviewer's name


@dataclass(frozen=True, slots=True)
class Figures:
    """One look at the queue."""

    waiting: int
    oldest: datetime | None  # when what waits longest was proposed, or reopened
    decided: int  # by people
    median: timedelta | None  # from the proposal, or the reopening, to the decision
    approved: int
    approved_unchanged: int  # as the model proposed them

    @property
    def share_approved_unchanged(self) -> float | None:
        """Of what people decided: how much the gate held up for nothing."""
        return self.approved_unchanged / self.decided if self.decided else None


def figures(store: Store, since: datetime | None = None) -> Figures:
    """Counts what people decided since then (None: ever), and what waits now. Raises TrailUnavailable, BadFilter."""
    table, opened = review_item.c, record.alias("opened")
    began = func.coalesce(opened.c.at, table.created)
    joined = review_item.outerjoin(opened, opened.c.seq == table.reopened_seq)
    people = table.reviewer.is_not(None) & table.decided_at.is_not(None) & table.state.in_(BY_PEOPLE)
    if since is not None:
        people &= table.decided_at >= timestamp(since)
    query = select(table.state, table.edited_by, began, table.decided_at).select_from(joined)
    now = store.clock()
    pending = (
        select(func.min(began)).select_from(joined).where(table.state == "pending", table.expires > timestamp(now))
    )
    with store.read() as conn:
        count, first = waiting(conn, now), conn.scalar(pending)
        rows = conn.execute(query.where(people)).all()
    times = [(datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds() for _, _, start, end in rows]
    approved = [edited_by for state, edited_by, _, _ in rows if state != "refused"]
    return Figures(
        waiting=count,
        oldest=None if first is None else datetime.fromisoformat(first),
        decided=len(rows),
        median=timedelta(seconds=statistics.median(times)) if times else None,
        approved=len(approved),
        approved_unchanged=approved.count(None),
    )


def lately(store: Store, limit: int) -> list[ReviewItem]:
    """What was decided by people or the clock, the newest decision first. Raises Forged, TrailUnavailable."""
    table = review_item.c
    query = select(review_item).where(table.decided_at.is_not(None)).order_by(table.decided_at.desc(), table.id)
    with store.read() as conn:
        return [to_item(row) for row in conn.execute(query.limit(limit))]
