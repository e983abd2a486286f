"""Walks the whole trail and says whether it still is what was written.

The chain finds every edit, deletion, insertion and reordering. It cannot find a tail that was cut off or a trail that
was written anew from the start: that needs a signed checkpoint outside the database, hence `anchored`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, distinct, exists, func, select, text

from so8t.audit_db.chain import Record, of_row
from so8t.audit_db.errors import TrailDamaged
from so8t.audit_db.item import differences
from so8t.audit_db.reading import PAGE
from so8t.audit_db.schema import GENESIS, KINDS, record, review_item
from so8t.audit_db.store import Store
from so8t.gate.strict_json import StrictJsonError, canonical, loads

TRIGGERS = frozenset({"record_no_update", "record_no_delete", "record_only_append", "review_item_no_delete"})


@dataclass(frozen=True, slots=True)
class Verification:
    """What a walk over the trail found.

    `first_bad` is the number of the first bad record (or of the first that is missing), None where the chain is whole
    or the problem is not in one record; `last_hash` is the hash of the last good record; `notes` are oddities that
    prove nothing.
    """

    ok: bool
    rows: int
    first_bad: int | None = None
    problem: str | None = None
    anchored: bool = False
    last_hash: str = GENESIS
    notes: tuple[str, ...] = ()


@dataclass(slots=True)
class _Walk:
    """How far the walk has come."""

    rows: int = 0
    last_hash: str = GENESIS
    last_at: str = ""
    notes: list[str] = field(default_factory=list)

    def result(self, problem: str | None = None, first_bad: int | None = None) -> Verification:
        return Verification(
            ok=problem is None,
            rows=self.rows,
            first_bad=first_bad,
            problem=problem,
            last_hash=self.last_hash,
            notes=tuple(self.notes),
        )


def verify(store: Store) -> Verification:
    """Check the chain, then what the trail says about intents and about the queue. Raises TrailUnavailable."""
    walk = _Walk()
    try:
        problem = _chain(store, walk)
        if problem:
            return walk.result(problem, walk.rows + 1)
        intent = _intent_nobody_allowed(store)
        if intent is not None:
            return walk.result(f"record {intent} starts a call that nothing allowed", intent)
        return walk.result(_queue(store) or _guards(store))
    except TrailDamaged as error:
        return walk.result(str(error), walk.rows + 1)


def _chain(store: Store, walk: _Walk) -> str | None:
    after: int | None = None  # no lower bound at first: a record numbered below 1 is found too
    while True:
        query = select(record).order_by(record.c.seq).limit(PAGE)
        with store.read() as conn:
            page = [of_row(r) for r in conn.execute(query if after is None else query.where(record.c.seq > after))]
        for found in page:
            problem = _problem(found, walk)
            if problem:
                return problem
            _step(found, walk)
        if len(page) < PAGE:
            return None
        after = page[-1].seq


def _problem(found: Record, walk: _Walk) -> str | None:
    """Why `found` cannot follow the records before it."""
    number = walk.rows + 1
    if found.seq != number:
        return f"record {number} is missing: record {found.seq} stands in its place"
    if not found.intact:
        return f"record {number} was changed after it was written"
    if found.previous != walk.last_hash:
        return f"record {number} does not follow record {number - 1}: one of them was put there later"
    try:
        sound = canonical(loads(found.body_json)) == found.body_json and found.kind in KINDS
    except StrictJsonError:
        sound = False
    if not sound:
        return f"record {number} was not written by so8t: its kind is unknown or its body is not canonical JSON"
    return None


def _step(found: Record, walk: _Walk) -> None:
    if found.at < walk.last_at and len(walk.notes) < 20:
        walk.notes.append(f"the clock ran backwards before record {found.seq}: {walk.last_at} to {found.at}")
    walk.rows, walk.last_hash, walk.last_at = found.seq, found.hash, found.at


def _intent_nobody_allowed(store: Store) -> int | None:
    """The first intent with neither an earlier ALLOW nor a review item that was started."""
    verdict = record.alias("verdict")
    allowed = exists().where(
        verdict.c.subject == record.c.subject,
        verdict.c.kind == "decision",
        verdict.c.decision == "ALLOW",
        verdict.c.seq < record.c.seq,
    )
    started = review_item.c.state.in_(("executing", "done", "unknown"))
    reviewed = exists().where(review_item.c.id == record.c.subject, started)
    query = select(func.min(record.c.seq)).where(record.c.kind == "intent", ~allowed, ~reviewed)
    with store.read() as conn:
        return conn.execute(query).scalar()


def _queue(store: Store) -> str | None:
    """Where the queue does not agree with the trail, whose chain was found whole."""
    after = ""
    while True:
        query = select(review_item).where(review_item.c.id > after).order_by(review_item.c.id).limit(PAGE)
        with store.read() as conn:
            page = conn.execute(query).all()
            stories = _stories(conn, [row.id for row in page])
        for row in page:
            problem = differences(row, stories[row.id])
            if problem:
                return problem
        if len(page) < PAGE:
            return _missing_items(store)
        after = page[-1].id


def _stories(conn: Connection, ids: list[str]) -> dict[str, list[Record]]:
    """The review records of these items, oldest first."""
    stories: dict[str, list[Record]] = {id_: [] for id_ in ids}
    query = select(record).where(record.c.subject.in_(ids), record.c.kind == "review").order_by(record.c.seq)
    for row in conn.execute(query):
        stories[row.subject].append(of_row(row))
    return stories


def _missing_items(store: Store) -> str | None:
    items = select(func.count()).select_from(review_item).scalar_subquery()
    reviews = select(func.count(distinct(record.c.subject))).where(record.c.kind == "review").scalar_subquery()
    with store.read() as conn:
        there, recorded = conn.execute(select(items, reviews)).one()
    return None if there == recorded else f"the queue holds {there} items, the trail knows {recorded}"


def _guards(store: Store) -> str | None:
    """Whether the triggers that forbid changes are still there, and SQLite's own structures are sound."""
    with store.read() as conn:
        if conn.dialect.name == "sqlite":
            names = conn.execute(text("SELECT name FROM sqlite_master WHERE type = 'trigger'"))
            report = _first(conn, "PRAGMA integrity_check(1)")
        else:
            names = conn.execute(text("SELECT tgname FROM pg_trigger WHERE tgenabled <> 'D'"))
            report = "ok"
        missing = sorted(TRIGGERS - {row[0] for row in names})
    if missing:
        return f"the database no longer forbids changes of the trail: the triggers {', '.join(missing)} are missing"
    return None if report == "ok" else f"SQLite finds its file damaged: {report}"


def _first(conn: Connection, statement: str) -> Any:
    return conn.execute(text(statement)).scalar()
