"""One grant: its row, and the records of the trail that prove it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, distinct, func, select

from so8t.audit_db.chain import Record, check, of_row
from so8t.audit_db.errors import Forged, TrailDamaged
from so8t.audit_db.schema import call_grant, record
from so8t.audit_db.store import Store
from so8t.gate.grants import Stated, stated_of

KIND: Final = "session"  # of the records about grants: they belong to what sessions may do
PREFIX: Final = "grant-"  # of a grant's id: no call has such a one

GRANTED: Final = "granted"
USED: Final = "grant used"
REVOKED: Final = "grant revoked"

FROZEN: Final = (
    "id", "owner", "tool", "definition", "arguments", "session", "until", "times", "made_by", "created",
)  # fmt: skip
"""Columns that never change: the record of the making holds them all."""

CHANGING: Final = ("uses", "revoked_by", "revoked_at", "changed_seq")
"""Columns that the later records set."""

Columns = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Grant:
    """Calls of one tool that a person lets pass. Every text is as it is stored: secrets are never in it."""

    id: str
    owner: str
    tool: str
    definition: str  # SHA-256 (hex) of all that the tool said about itself when the grant was made
    stated: Stated  # by the argument's name
    session: str | None  # None: any session of the owner
    until: datetime | None
    times: int | None  # None: any number
    made_by: str
    created: datetime
    uses: int
    revoked_by: str | None
    revoked_at: datetime | None
    state: str  # active, used up, expired or revoked


def to_grant(row: Row[Any], over: bool) -> Grant:
    """The grant in a row that `proven` returned; `over`: its time is over. Raises Forged where it cannot be read."""
    try:
        return Grant(
            id=row.id,
            owner=row.owner,
            tool=row.tool,
            definition=row.definition,
            stated=stated_of(row.arguments),
            session=row.session,
            until=_time(row.until),
            times=row.times,
            made_by=row.made_by,
            created=datetime.fromisoformat(row.created),
            uses=row.uses,
            revoked_by=row.revoked_by,
            revoked_at=_time(row.revoked_at),
            state=_state(row, over),
        )
    except (ValueError, TypeError) as error:
        raise Forged(f"the grant {row.id} cannot be read ({error}); run: so8t audit verify") from None


def columns(row: Row[Any]) -> Columns:
    """The columns that the records prove: all of them."""
    return {name: getattr(row, name) for name in (*FROZEN, *CHANGING, "made_seq")}


def proven(conn: Connection, row: Row[Any]) -> Row[Any]:
    """The row, if the trail's records about it say the same. Raises Forged."""
    try:
        differs = differences(row, [check(conn, found) for found in records_of(conn, row.id)])
    except TrailDamaged as error:
        raise Forged(f"the grant {row.id} cannot be trusted: {error}") from None
    if differs:
        raise Forged(f"{differs}: someone changed the database by hand; run: so8t audit verify")
    return row


def records_of(conn: Connection, id_: str) -> list[Record]:
    """The records about the grant, oldest first."""
    query = select(record).where(record.c.subject == id_, record.c.kind == KIND).order_by(record.c.seq)
    return [of_row(found) for found in conn.execute(query)]


def differences(row: Row[Any], records: Sequence[Record]) -> str | None:
    """What in the row is not as its records, oldest first, made it. Raises TrailDamaged."""
    expected: Columns = {}
    for found in records:
        if not (expected := step(expected, found)):
            break
    wrong = sorted(name for name, value in columns(row).items() if not expected or expected.get(name) != value)
    return f"the grant {row.id} does not agree with the audit trail ({', '.join(wrong)})" if wrong else None


def step(row: Columns, found: Record) -> Columns:
    """The columns after one more record; {} where it cannot follow. Raises TrailDamaged."""
    body = found.body
    event = body.get("event")
    if not row:
        made = body.get("grant") if event == GRANTED else None
        seqs = {"made_seq": found.seq, "changed_seq": found.seq}
        fresh = {"uses": 0, "revoked_by": None, "revoked_at": None, **seqs}
        return made | fresh if isinstance(made, dict) and made.get("id") == found.subject else {}
    if row["revoked_at"] is not None:
        return {}
    if event == USED and body.get("use") == row["uses"] + 1 and _may_be_used(row, found):
        return row | {"uses": row["uses"] + 1, "changed_seq": found.seq}
    if event == REVOKED:
        return row | {"revoked_by": body.get("by"), "revoked_at": found.at, "changed_seq": found.seq}
    return {}


def forged_grants(store: Store) -> str | None:
    """Where the grants do not agree with the trail, whose chain was found whole. Raises TrailDamaged."""
    with store.read() as conn:
        rows = conn.execute(select(call_grant).order_by(call_grant.c.id)).all()
        for row in rows:
            if problem := differences(row, records_of(conn, row.id)):
                return problem
        named = select(func.count(distinct(record.c.subject)))
        known = conn.scalar(named.where(record.c.kind == KIND, record.c.subject.startswith(PREFIX)))
    return None if known == len(rows) else f"there are {len(rows)} grants, the trail knows {known}"


def _may_be_used(row: Columns, found: Record) -> bool:
    left = row["times"] is None or row["uses"] < row["times"]
    in_time = row["until"] is None or found.at < row["until"]
    return left and in_time and row["session"] in (None, found.session)


def _state(row: Row[Any], over: bool) -> str:
    if row.revoked_at is not None:
        return "revoked"
    if row.times is not None and row.uses >= row.times:
        return "used up"
    return "expired" if over else "active"


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
