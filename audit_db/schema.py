"""The tables, as queries see them. The migrations make them: a change here needs a new migration.

`record` is append-only and hash-chained; `review_item` is a projection of the review records, so that the queue can be
listed and searched quickly, and `call_grant` is one of the records about grants. Where a row and the trail disagree,
the trail is right and the row is forged.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, Integer, MetaData, String, Table, Text, text
from sqlalchemy.types import BigInteger

HEAD: Final = "0003"
"""The newest migration; a test compares it with the migrations folder."""

KINDS: Final = ("session", "message", "decision", "invalid", "intent", "outcome", "review", "fault", "unknown")
DECISIONS: Final = ("ALLOW", "ESCALATE", "REFUSE")
STATES: Final = ("pending", "approved", "refused", "expired", "cancelled", "executing", "done", "unknown")
GENESIS: Final = "0" * 64
"""What the first record names as its previous hash."""

metadata = MetaData()
_Seq = BigInteger().with_variant(Integer, "sqlite")  # SQLite: INTEGER PRIMARY KEY is the row's own number


def _one_of(column: str, values: tuple[str, ...]) -> str:
    return f"{column} IN ({', '.join(repr(v) for v in values)})"


record = Table(
    "record",
    metadata,
    Column("seq", _Seq, primary_key=True, autoincrement=False),  # 1, 2, 3 ... without gaps
    Column("at", String(32), nullable=False),  # UTC, ISO 8601, always with microseconds: sorts as text
    Column("session", Text, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("subject", Text, nullable=False),  # the call or turn that it is about, or ''
    Column("decision", String(16)),  # of a decision
    Column("body", Text, nullable=False),  # canonical JSON (RFC 8785)
    Column("previous", String(64), nullable=False),
    Column("hash", String(64), nullable=False, unique=True),
    CheckConstraint(_one_of("kind", KINDS), name="known_kind"),
    CheckConstraint("seq > 0", name="seq_positive"),
    Index("record_at", "at"),
    Index("record_session", "session", "seq"),
    Index("record_subject", "subject", "kind"),
)
for _name, _kinds in (
    ("record_one_decision", "kind = 'decision'"),
    ("record_one_intent", "kind = 'intent'"),
    ("record_one_end", "kind IN ('outcome', 'unknown')"),
):
    Index(_name, record.c.subject, unique=True, sqlite_where=text(_kinds), postgresql_where=text(_kinds))

review_item = Table(
    "review_item",
    metadata,
    Column("id", Text, primary_key=True),  # the call's id
    Column("session", Text, nullable=False),
    Column("owner", Text, nullable=False),  # whose agent waits: the workspace
    Column("tool", Text, nullable=False),
    Column("effects", Text),  # JSON list, NULL where nobody declared them
    Column("arguments", Text, nullable=False),  # canonical JSON, secrets masked
    Column("masked", Integer, nullable=False),  # 1: a secret was masked, so the call cannot be rebuilt from here
    Column("digest", String(64), nullable=False),  # of the masked call
    Column("reason", Text, nullable=False),
    Column("verdict", Text, nullable=False),  # JSON
    Column("user_text", Text, nullable=False),
    Column("created", String(32), nullable=False),
    Column("expires", String(32), nullable=False),
    Column("state", String(16), nullable=False),
    Column("reviewer", Text),
    Column("reviewer_reason", Text),
    Column("decided_at", String(32)),
    Column("submitted_seq", _Seq, ForeignKey("record.seq"), nullable=False),  # the record of the submission
    Column("changed_seq", _Seq, ForeignKey("record.seq"), nullable=False),  # the record of the last change of state
    Column("acknowledged_seq", _Seq, ForeignKey("record.seq")),  # the record that says that the agent heard of it
    Column("claimed_by", Text),
    Column("claim_expires", String(32)),
    Column("claim_token", _Seq, nullable=False, server_default="0"),  # fencing: grows with each claim
    Column("edited_arguments", Text),  # canonical JSON: what a reviewer put in the place of `arguments`
    Column("edited_digest", String(64)),
    Column("edited_by", Text),
    Column("edited_verdict", Text),  # JSON: what the gate says of the edited call
    Column("effective_arguments", Text),  # canonical JSON: what ran
    Column("reopened_seq", _Seq),  # of the last reopening
    CheckConstraint(_one_of("state", STATES), name="known_state"),
    Index("review_item_state", "state", "expires"),
    Index("review_item_owner", "owner", "state"),
)

call_grant = Table(
    "call_grant",
    metadata,
    Column("id", Text, primary_key=True),
    Column("owner", Text, nullable=False),  # whose calls it lets pass: the workspace
    Column("tool", Text, nullable=False),
    Column("definition", String(64), nullable=False),  # SHA-256 of all that the tool said about itself
    Column("arguments", Text, nullable=False),  # canonical JSON: name -> {"equals": value} or {"glob": pattern}
    Column("session", Text),  # NULL: any
    Column("until", String(32)),  # NULL: as long as the session
    Column("times", Integer),  # NULL: any number
    Column("made_by", Text, nullable=False),
    Column("created", String(32), nullable=False),
    Column("uses", Integer, nullable=False),
    Column("revoked_by", Text),
    Column("revoked_at", String(32)),
    Column("made_seq", _Seq, ForeignKey("record.seq"), nullable=False),
    Column("changed_seq", _Seq, ForeignKey("record.seq"), nullable=False),  # of the last use or of the revocation
    CheckConstraint("times IS NULL OR uses <= times", name="never_more"),
    Index("call_grant_tool", "owner", "tool"),
)
