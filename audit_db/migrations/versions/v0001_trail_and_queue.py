"""The trail (append-only) and the review queue."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_ONE = {
    "record_one_decision": "kind = 'decision'",
    "record_one_intent": "kind = 'intent'",
    "record_one_end": "kind IN ('outcome', 'unknown')",
}

# An INSERT OR REPLACE deletes rows without asking the DELETE trigger; BEFORE INSERT fires first and refuses it.
_SQLITE = (
    """CREATE TRIGGER record_no_update BEFORE UPDATE ON record
    BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END""",
    """CREATE TRIGGER record_no_delete BEFORE DELETE ON record
    BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END""",
    """CREATE TRIGGER record_only_append BEFORE INSERT ON record
    WHEN NEW.seq IS NOT (SELECT COALESCE(MAX(seq), 0) + 1 FROM record)
      OR NEW.previous IS NOT (SELECT COALESCE((SELECT hash FROM record ORDER BY seq DESC LIMIT 1),
                              '0000000000000000000000000000000000000000000000000000000000000000'))
      OR EXISTS (SELECT 1 FROM record WHERE hash = NEW.hash)
      OR (NEW.kind IN ('decision', 'intent')
          AND EXISTS (SELECT 1 FROM record WHERE subject = NEW.subject AND kind = NEW.kind))
      OR (NEW.kind IN ('outcome', 'unknown')
          AND EXISTS (SELECT 1 FROM record WHERE subject = NEW.subject AND kind IN ('outcome', 'unknown')))
    BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END""",
    """CREATE TRIGGER review_item_no_delete BEFORE DELETE ON review_item
    BEGIN SELECT RAISE(ABORT, 'review items are never deleted'); END""",
)

_POSTGRESQL = (
    """CREATE FUNCTION so8t_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE EXCEPTION 'the audit trail is append-only'; END $$""",
    """CREATE TRIGGER record_no_update BEFORE UPDATE OR DELETE ON record
    FOR EACH ROW EXECUTE FUNCTION so8t_append_only()""",
    """CREATE TRIGGER record_no_delete BEFORE TRUNCATE ON record
    FOR EACH STATEMENT EXECUTE FUNCTION so8t_append_only()""",
    """CREATE FUNCTION so8t_chained() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF NEW.seq <> (SELECT COALESCE(MAX(seq), 0) + 1 FROM record)
        OR NEW.previous <> COALESCE((SELECT hash FROM record ORDER BY seq DESC LIMIT 1), repeat('0', 64))
      THEN RAISE EXCEPTION 'the audit trail is append-only'; END IF;
      RETURN NEW;
    END $$""",
    """CREATE TRIGGER record_only_append BEFORE INSERT ON record
    FOR EACH ROW EXECUTE FUNCTION so8t_chained()""",
    """CREATE TRIGGER review_item_no_delete BEFORE DELETE ON review_item
    FOR EACH ROW EXECUTE FUNCTION so8t_append_only()""",
)


def upgrade() -> None:
    """Make both tables, their indexes and the triggers that keep the trail append-only."""
    seq = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    _record(seq)
    _review_item(seq)
    for statement in _SQLITE if op.get_bind().dialect.name == "sqlite" else _POSTGRESQL:
        op.execute(statement)


def _record(seq: sa.types.TypeEngine[int]) -> None:
    op.create_table(
        "record",
        sa.Column("seq", seq, primary_key=True, autoincrement=False),
        sa.Column("at", sa.String(32), nullable=False),
        sa.Column("session", sa.Text, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("decision", sa.String(16)),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("previous", sa.String(64), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False, unique=True),
        sa.CheckConstraint(
            "kind IN ('session', 'message', 'decision', 'invalid', 'intent', 'outcome', 'review', 'fault', 'unknown')",
            name="known_kind",
        ),
        sa.CheckConstraint("seq > 0", name="seq_positive"),
    )
    op.create_index("record_at", "record", ["at"])
    op.create_index("record_session", "record", ["session", "seq"])
    op.create_index("record_subject", "record", ["subject", "kind"])
    for name, kinds in _ONE.items():
        where = sa.text(kinds)
        op.create_index(name, "record", ["subject"], unique=True, sqlite_where=where, postgresql_where=where)


def _review_item(seq: sa.types.TypeEngine[int]) -> None:
    text = ("session", "owner", "tool", "arguments", "reason", "verdict", "user_text")
    op.create_table(
        "review_item",
        sa.Column("id", sa.Text, primary_key=True),
        *(sa.Column(name, sa.Text, nullable=False) for name in text),
        sa.Column("effects", sa.Text),
        sa.Column("masked", sa.Integer, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("created", sa.String(32), nullable=False),
        sa.Column("expires", sa.String(32), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("reviewer", sa.Text),
        sa.Column("reviewer_reason", sa.Text),
        sa.Column("decided_at", sa.String(32)),
        sa.Column("submitted_seq", seq, sa.ForeignKey("record.seq"), nullable=False),
        sa.Column("changed_seq", seq, sa.ForeignKey("record.seq"), nullable=False),
        sa.Column("acknowledged_seq", seq, sa.ForeignKey("record.seq")),
        sa.Column("claimed_by", sa.Text),
        sa.Column("claim_expires", sa.String(32)),
        sa.Column("claim_token", seq, nullable=False, server_default="0"),
        sa.CheckConstraint(
            "state IN ('pending', 'approved', 'refused', 'expired', 'cancelled', 'executing', 'done', 'unknown')",
            name="known_state",
        ),
    )
    op.create_index("review_item_state", "review_item", ["state", "expires"])
    op.create_index("review_item_owner", "review_item", ["owner", "state"])
