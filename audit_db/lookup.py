"""Finding review items: one by its id, the sound ones among several, those whose time is over."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, exists, func, select

from so8t.audit_db.chain import timestamp
from so8t.audit_db.errors import Forged, UnknownItem, nearest
from so8t.audit_db.item import proven
from so8t.audit_db.schema import record, review_item


def one(conn: Connection, id_: str) -> Row[Any]:
    """The item, compared with the trail. Raises UnknownItem, Forged."""
    row = conn.execute(select(review_item).where(review_item.c.id == id_)).one_or_none()
    if row is not None:
        return proven(conn, row)
    waiting = conn.scalars(select(review_item.c.id).where(review_item.c.state == "pending").limit(1000)).all()
    raise UnknownItem(f"no review {id_!r}; pending: {nearest(id_, waiting) or 'none'}")


def sound(conn: Connection, ids: Sequence[str]) -> list[Row[Any]]:
    """Those of the items that agree with the trail."""
    rows = []
    for id_ in ids:
        with suppress(Forged):
            rows.append(one(conn, id_))
    return rows


def due(conn: Connection, now: datetime, *where: ColumnElement[bool]) -> Sequence[str]:
    """Ids of items whose time is over, by the latest time seen since they began to wait.

    So a clock that jumps back revives nothing, and a clock that once was far ahead harms no later item.
    """
    # `+ 0` keeps SQLite off the primary key: the index on `at` finds at once that nothing is later
    since = func.coalesce(review_item.c.reopened_seq, review_item.c.submitted_seq)
    seen = exists().where(record.c.at >= review_item.c.expires, record.c.seq + 0 >= since)
    over = (review_item.c.expires <= timestamp(now)) | seen
    query = select(review_item.c.id).where(review_item.c.state.in_(("pending", "approved")), over, *where)
    return conn.scalars(query.order_by(review_item.c.created, review_item.c.id)).all()


def waiting(conn: Connection, now: datetime, session: str | None = None) -> int:
    """How many items can be decided now, of one session or of all."""
    query = select(func.count()).select_from(review_item)
    query = query.where(review_item.c.state == "pending", review_item.c.expires > timestamp(now))
    return conn.scalar(query if session is None else query.where(review_item.c.session == session)) or 0
