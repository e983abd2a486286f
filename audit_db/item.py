"""One call that waits for a person: its row, its states, and the records of the trail that prove them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

from sqlalchemy import Connection, Row, select, update

from so8t.audit_db.chain import Record, append, check, of_row
from so8t.audit_db.errors import Forged, TrailDamaged
from so8t.audit_db.mask import Masker
from so8t.audit_db.schema import record, review_item
from so8t.gate.strict_json import loads

NEXT: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        "pending": frozenset({"approved", "refused", "expired", "cancelled"}),
        "approved": frozenset({"executing", "expired", "cancelled"}),
        "executing": frozenset({"done", "unknown"}),
    }
)
"""Which state may follow which; states that are not keys are final."""

FROZEN: Final = (
    "id",
    "session",
    "owner",
    "tool",
    "effects",
    "arguments",
    "masked",
    "digest",
    "reason",
    "verdict",
    "user_text",
    "created",
    "expires",
)
"""Columns that never change: the record of the submission holds them all."""

CHANGING: Final = ("state", "reviewer", "reviewer_reason", "decided_at", "changed_seq", "acknowledged_seq")
"""Columns that the later review records set."""


@dataclass(frozen=True, slots=True)
class ReviewItem:
    """A call in the review queue. Secrets are masked in every text."""

    id: str  # the call's id
    session: str
    owner: str
    tool: str
    effects: tuple[str, ...] | None  # None: nobody declared them
    arguments_json: str  # canonical JSON
    masked: bool  # a secret was masked: only the session that proposed the call can run it
    digest: str  # of the call as it stands here
    reason: str
    verdict: Mapping[str, Any]  # decision, source, findings, probabilities, thresholds, versions
    user_text: str
    created: datetime
    expires: datetime
    state: str
    reviewer: str | None
    reviewer_reason: str | None
    decided_at: datetime | None
    acknowledged: bool  # the agent heard of the decision


def to_item(row: Row[Any]) -> ReviewItem:
    """The item in a row of the table. Raises Forged where the row cannot be read."""
    try:
        return _to_item(row)
    except (ValueError, TypeError) as error:
        raise Forged(f"the review {row.id} cannot be read ({error}); run: so8t audit verify") from None


def _to_item(row: Row[Any]) -> ReviewItem:
    return ReviewItem(
        id=row.id,
        session=row.session,
        owner=row.owner,
        tool=row.tool,
        effects=None if row.effects is None else tuple(loads(row.effects)),
        arguments_json=row.arguments,
        masked=bool(row.masked),
        digest=row.digest,
        reason=row.reason,
        verdict=loads(row.verdict),
        user_text=row.user_text,
        created=datetime.fromisoformat(row.created),
        expires=datetime.fromisoformat(row.expires),
        state=row.state,
        reviewer=row.reviewer,
        reviewer_reason=row.reviewer_reason,
        decided_at=None if row.decided_at is None else datetime.fromisoformat(row.decided_at),
        acknowledged=row.acknowledged_seq is not None,
    )


def move(conn: Connection, masker: Masker, now: datetime, row: Row[Any], state: str, **facts: str | None) -> Record:
    """Change the state of an item that `proven` returned, and record it, in the transaction of `conn`."""
    assert state in NEXT.get(row.state, ()), f"{row.state} -> {state}"
    body = {"event": "state", "from": row.state, "state": state, "digest": row.digest, **facts}
    written = append(conn, masker, now, "review", row.session, body, subject=row.id)
    values: dict[str, Any] = {"state": state, "changed_seq": written.seq}
    if row.state == "pending":
        values |= {name: written.body.get(name) for name in ("reviewer", "reviewer_reason")} | {
            "decided_at": written.at
        }
    conn.execute(update(review_item).where(review_item.c.id == row.id).values(**values))
    return written


def proven(conn: Connection, row: Row[Any]) -> Row[Any]:
    """The row, if the review records of the trail say the same. Raises Forged."""
    query = select(record).where(record.c.subject == row.id, record.c.kind == "review").order_by(record.c.seq)
    try:
        differs = differences(row, [check(conn, of_row(r)) for r in conn.execute(query)])
    except TrailDamaged as error:
        raise Forged(f"the review {row.id} cannot be trusted: {error}") from None
    if differs:
        raise Forged(f"{differs}: someone changed the database by hand; run: so8t audit verify")
    return row


def differences(row: Row[Any], records: Sequence[Record]) -> str | None:
    """What in the row is not as its review records, oldest first, made it. Raises TrailDamaged."""
    expected = replay(records)
    actual = {name: getattr(row, name) for name in (*FROZEN, *CHANGING, "submitted_seq")}
    wrong = sorted(name for name, value in actual.items() if expected.get(name) != value)
    return f"the review {row.id} does not agree with the audit trail ({', '.join(wrong)})" if wrong else None


def replay(records: Sequence[Record]) -> dict[str, Any]:
    """The columns of an item as its review records, oldest first, made them; {} where they are no lawful story."""
    row: dict[str, Any] = {}
    for record_ in records:
        body = record_.body
        match body.get("event"):
            case "submitted" if not row and isinstance(body.get("item"), dict):
                row = dict.fromkeys(CHANGING) | body["item"] | {"state": "pending"}
                row |= {"submitted_seq": record_.seq, "changed_seq": record_.seq}
            case "state" if (
                row and body.get("from") == row["state"] and body.get("state") in NEXT.get(row["state"], ())
            ):
                if row["state"] == "pending":
                    row |= {name: body.get(name) for name in ("reviewer", "reviewer_reason")} | {
                        "decided_at": record_.at
                    }
                row |= {"state": body["state"], "changed_seq": record_.seq}
            case "acknowledged" if row and row["acknowledged_seq"] is None:
                row["acknowledged_seq"] = record_.seq
            case _:
                return {}
    return row
