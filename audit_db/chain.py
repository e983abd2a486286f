"""One record of the trail, and how it is chained to the one before it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, insert, select

from so8t.audit_db.errors import BadFilter, TrailDamaged
from so8t.audit_db.mask import Masker
from so8t.audit_db.plain import plain, plain_text
from so8t.audit_db.schema import GENESIS, record
from so8t.gate.strict_json import StrictJsonError, canonical, loads


@dataclass(frozen=True, slots=True)
class Record:
    """One row of the trail, exactly as it is stored.

    `at` is UTC in ISO 8601 with microseconds; `subject` is the id of the call or turn that it is about, or '';
    `decision` is ALLOW, ESCALATE or REFUSE in a decision, else None.
    """

    seq: int
    at: str
    session: str
    kind: str
    subject: str
    decision: str | None
    body_json: str
    previous: str
    hash: str

    @property
    def body(self) -> dict[str, Any]:
        """A fresh copy of what was recorded. Raises TrailDamaged where it is no JSON object any more."""
        try:
            value = loads(self.body_json)
        except (StrictJsonError, TypeError):
            value = None
        if not isinstance(value, dict):
            raise TrailDamaged(f"record {self.seq} is damaged: its body is not the JSON that was written")
        return value

    @property
    def intact(self) -> bool:
        """Whether the hash fits all other fields."""
        return self.hash == digest_of(self)


def of_row(row: Row[Any]) -> Record:
    """The record in a row of the table."""
    return Record(row.seq, row.at, row.session, row.kind, row.subject, row.decision, row.body, row.previous, row.hash)


def digest_of(record_: Record) -> str:
    """SHA-256 (hex) of the canonical JSON of all fields but the hash itself; '' where a field cannot be written."""
    fields = {
        name: getattr(record_, name) for name in ("at", "decision", "kind", "previous", "seq", "session", "subject")
    }
    try:
        return hashlib.sha256(canonical({**fields, "body": record_.body_json}).encode()).hexdigest()
    except StrictJsonError:
        return ""


def timestamp(moment: datetime) -> str:
    """UTC in ISO 8601, always with microseconds and the same width, so that it sorts as text. Raises BadFilter."""
    if moment.tzinfo is None:
        raise BadFilter(f"the time {moment} has no time zone: give one, for example datetime.now(UTC)")
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def append(
    conn: Connection,
    masker: Masker,
    now: datetime,
    kind: str,
    session: str,
    body: Mapping[str, Any],
    *,
    subject: str = "",
    decision: str | None = None,
) -> Record:
    """Add a record at the end of the trail; `conn` must come from `Store.write()`.

    Raises:
        TrailDamaged: the last record was changed; nothing is built upon it.
    """
    last = _last(conn)
    unhashed = Record(
        seq=last.seq + 1 if last else 1,
        at=timestamp(now),
        session=_line(masker, session),
        kind=kind,
        subject=_line(masker, subject),
        decision=decision,
        body_json=canonical(masker.value(plain(body))),
        previous=last.hash if last else GENESIS,
        hash="",
    )
    values = {name: getattr(unhashed, name) for name in unhashed.__slots__ if name not in ("body_json", "hash")}
    digest = digest_of(unhashed)
    conn.execute(insert(record).values(**values, body=unhashed.body_json, hash=digest))
    return Record(**values, body_json=unhashed.body_json, hash=digest)


def check(conn: Connection, record_: Record) -> Record:
    """The record, if its hash and its link to the record before it fit. Raises TrailDamaged."""
    before = GENESIS
    if record_.seq != 1:
        before = conn.scalar(select(record.c.hash).where(record.c.seq == record_.seq - 1)) or ""
    if not record_.intact or record_.previous != before:
        raise TrailDamaged(f"record {record_.seq} was changed after it was written; run: so8t audit verify")
    return record_


def _last(conn: Connection) -> Record | None:
    row = conn.execute(select(record).order_by(record.c.seq.desc()).limit(1)).one_or_none()
    return check(conn, of_row(row)) if row else None


def _line(masker: Masker, text: str) -> str:
    return masker.text(plain_text(text))
