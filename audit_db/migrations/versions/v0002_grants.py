"""Calls that people let pass beforehand."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_SQLITE = """CREATE TRIGGER call_grant_no_delete BEFORE DELETE ON call_grant
    BEGIN SELECT RAISE(ABORT, 'grants are never deleted'); END"""
_POSTGRESQL = """CREATE TRIGGER call_grant_no_delete BEFORE DELETE ON call_grant
    FOR EACH ROW EXECUTE FUNCTION so8t_append_only()"""


def upgrade() -> None:
    """Make the table; its uses can never be more than it allows, and no row of it goes away."""
    seq = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    op.create_table(
        "call_grant",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("tool", sa.Text, nullable=False),
        sa.Column("definition", sa.String(64), nullable=False),
        sa.Column("arguments", sa.Text, nullable=False),
        sa.Column("session", sa.Text),
        sa.Column("until", sa.String(32)),
        sa.Column("times", sa.Integer),
        sa.Column("made_by", sa.Text, nullable=False),
        sa.Column("created", sa.String(32), nullable=False),
        sa.Column("uses", sa.Integer, nullable=False),
        sa.Column("revoked_by", sa.Text),
        sa.Column("revoked_at", sa.String(32)),
        sa.Column("made_seq", seq, sa.ForeignKey("record.seq"), nullable=False),
        sa.Column("changed_seq", seq, sa.ForeignKey("record.seq"), nullable=False),
        sa.CheckConstraint("times IS NULL OR uses <= times", name="never_more"),
    )
    op.create_index("call_grant_tool", "call_grant", ["owner", "tool"])
    op.execute(_SQLITE if op.get_bind().dialect.name == "sqlite" else _POSTGRESQL)
