"""One call that waits for a person: its row, and the records of the trail that prove it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select, update

from so8t.audit_db.chain import Record, append, check, of_row
from so8t.audit_db.errors import Forged, TrailDamaged
from so8t.audit_db.lifecycle import CHANGING, FROZEN, current, replay, step
from so8t.audit_db.mask import Masker
from so8t.audit_db.schema import record, review_item
from so8t.gate.strict_json import loads


@dataclass(frozen=True, slots=True)
class ReviewItem:
    """A call in the review queue. Secrets are masked in every text.

    The arguments are kept three times: as the model proposed them, as a reviewer may have edited them (these are what
    is decided about), and as the call ran.
    """

    id: str  # the call's id
    session: str
    owner: str
    tool: str
    effects: tuple[str, ...] | None  # None: nobody declared them
    arguments_json: str  # canonical JSON; as edited, where a reviewer did
    masked: bool  # a secret was masked: only the session that proposed the call can run it
    digest: str  # of the call as it stands here
    proposed_json: str  # canonical JSON, as the model wanted it
    proposed_digest: str
    effective_json: str | None  # what ran
    edited_by: str | None
    edited_verdict: Mapping[str, Any] | None  # what the gate says of the edited call
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
    changed_seq: int  # record of the last change of state: a later one is another decision
    claimed_by: str | None
    claim_expires: datetime | None
    claim_token: int  # fencing: grows with each claim

    @property
    def edited(self) -> bool:
        """Whether a reviewer changed the arguments."""
        return self.edited_by is not None

    def held(self, now: datetime) -> bool:
        """Whether somebody's claim has not run out."""
        return self.claim_expires is not None and self.claim_expires > now


def to_item(row: Row[Any]) -> ReviewItem:
    """The item in a row of the table. Raises Forged where the row cannot be read."""
    try:
        return _to_item(row)
    except (ValueError, TypeError) as error:
        raise Forged(f"the review {row.id} cannot be read ({error}); run: so8t audit verify") from None


def _to_item(row: Row[Any]) -> ReviewItem:
    fields = columns(row)
    return ReviewItem(
        id=row.id,
        session=row.session,
        owner=row.owner,
        tool=row.tool,
        effects=None if row.effects is None else tuple(loads(row.effects)),
        arguments_json=current(fields, "arguments"),
        masked=bool(row.masked) and row.edited_arguments is None,
        digest=current(fields, "digest"),
        proposed_json=row.arguments,
        proposed_digest=row.digest,
        effective_json=row.effective_arguments,
        edited_by=row.edited_by,
        edited_verdict=None if row.edited_verdict is None else loads(row.edited_verdict),
        reason=row.reason,
        verdict=loads(row.verdict),
        user_text=row.user_text,
        created=datetime.fromisoformat(row.created),
        expires=datetime.fromisoformat(row.expires),
        state=row.state,
        reviewer=row.reviewer,
        reviewer_reason=row.reviewer_reason,
        decided_at=_time(row.decided_at),
        acknowledged=row.acknowledged_seq is not None,
        changed_seq=row.changed_seq,
        claimed_by=row.claimed_by,
        claim_expires=_time(row.claim_expires),
        claim_token=row.claim_token,
    )


def columns(row: Row[Any]) -> dict[str, Any]:
    """The columns that the records prove."""
    return {name: getattr(row, name) for name in (*FROZEN, *CHANGING, "submitted_seq")}


def change(conn: Connection, masker: Masker, now: datetime, row: Row[Any], event: str, **facts: Any) -> Record:
    """Record an event of an item that `proven` returned, and what it makes of the row, in the transaction of `conn`."""
    written = append(conn, masker, now, "review", row.session, {"event": event, **facts}, subject=row.id)
    after = step(columns(row), written)
    assert after, f"{event} cannot follow in the state {row.state}"
    conn.execute(update(review_item).where(review_item.c.id == row.id).values({name: after[name] for name in CHANGING}))
    return written


def move(conn: Connection, masker: Masker, now: datetime, row: Row[Any], state: str, **facts: str | None) -> Record:
    """Change the state of an item that `proven` returned, and record it, in the transaction of `conn`."""
    about = {"from": row.state, "state": state, "digest": current(columns(row), "digest")}
    return change(conn, masker, now, row, "state", **about, **facts)


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
    wrong = sorted(name for name, value in columns(row).items() if not expected or expected.get(name) != value)
    return f"the review {row.id} does not agree with the audit trail ({', '.join(wrong)})" if wrong else None


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
