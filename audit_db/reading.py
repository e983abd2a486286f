"""Reading the trail: filters, pages, the story of one call.

Readers never hold a transaction between pages, so that a slow reader does not keep writers waiting.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, exists, func, or_, select

from so8t.audit_db.chain import Record, of_row, timestamp
from so8t.audit_db.errors import BadFilter, nearest
from so8t.audit_db.schema import DECISIONS, KINDS, record
from so8t.audit_db.store import Store
from so8t.gate.strict_json import NotCanonical, canonical

PAGE = 200
Conditions = Sequence[ColumnElement[bool]]


def conditions(
    store: Store, equal: Mapping[str, str | None], since: datetime | None, until: datetime | None, text: str | None
) -> Conditions:
    """The filters as SQL; every value is a bound parameter. Raises BadFilter."""
    _known("kind", equal.get("kind"), KINDS)
    _known("decision", equal.get("decision"), DECISIONS)
    where: list[ColumnElement[bool]] = [record.c[name] == value for name, value in equal.items() if value is not None]
    if since is not None:
        where.append(record.c.at >= timestamp(since))
    if until is not None:
        where.append(record.c.at < timestamp(until))
    if text:
        where.append(_contains(store, text))
    return where


def pages(store: Store, where: Conditions, limit: int | None, after_seq: int) -> Iterator[Record]:
    """The matching records after `after_seq`, read a page at a time."""
    left = limit
    while left is None or left > 0:
        size = PAGE if left is None else min(PAGE, left)
        query = select(record).where(record.c.seq > after_seq, *where).order_by(record.c.seq).limit(size)
        with store.read() as conn:
            found = [of_row(row) for row in conn.execute(query)]
        yield from found
        if len(found) < size:
            return
        after_seq = found[-1].seq
        left = None if left is None else left - size


def open_intents(store: Store, sessions_alive: Set[str]) -> list[Record]:
    """Intents without outcome or unknown, of sessions that are not alive."""
    end = record.alias("ended")
    ended = exists().where(end.c.subject == record.c.subject, end.c.kind.in_(("outcome", "unknown")))
    with store.read() as conn:
        found = conn.execute(select(record).where(record.c.kind == "intent", ~ended).order_by(record.c.seq))
        return [r for r in map(of_row, found) if r.session not in sessions_alive]


def story(store: Store, subject: str) -> list[Record]:
    """All records about `subject`, and the user's message and turn before it."""
    own = list(pages(store, [record.c.subject == subject], None, 0))
    first = next((r for r in own if r.kind in ("decision", "invalid")), None)
    return own if first is None else sorted({*own, *_turn(store, first)}, key=lambda r: r.seq)


def _turn(store: Store, first: Record) -> list[Record]:
    """The last user message before `first`, and the verdict on it, which may stand on either side of the message."""
    message: Record | None = None
    verdict: Record | None = None
    for earlier in _backwards(store, first):
        body = earlier.body
        if earlier.kind == "message" and body.get("role") == "user":
            if message is not None:
                break
            message = earlier
        elif earlier.kind == "decision" and body.get("about") == "turn" and verdict is None:
            verdict = earlier
        if message is not None and (verdict is not None or earlier.seq < message.seq):
            break
    return [r for r in (message, verdict) if r is not None]


def _backwards(store: Store, first: Record) -> Iterator[Record]:
    seq = first.seq
    while True:
        query = select(record).where(
            record.c.session == first.session, record.c.seq < seq, record.c.kind.in_(("message", "decision"))
        )
        with store.read() as conn:
            found = [of_row(row) for row in conn.execute(query.order_by(record.c.seq.desc()).limit(PAGE))]
        yield from found
        if len(found) < PAGE:
            return
        seq = found[-1].seq


def _contains(store: Store, text: str) -> ColumnElement[bool]:
    # Bodies are JSON text, and arguments are JSON text within it: quotes and line ends stand there escaped.
    try:
        once = canonical(text)[1:-1]
        needles = {once, canonical(once)[1:-1]}
    except NotCanonical as error:
        raise BadFilter(f"the text to look for: {error}") from None
    position: Any = func.instr if store.engine.dialect.name == "sqlite" else func.strpos
    return or_(*(position(func.lower(record.c.body), func.lower(needle)) > 0 for needle in sorted(needles)))


def _known(name: str, value: str | None, valid: Sequence[str]) -> None:
    if value is not None and value not in valid:
        raise BadFilter(f"unknown {name} {value!r}; valid: {nearest(value, valid)}")
