"""What reviewers edit, what ran, and when an item was reopened."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

COLUMNS = ("edited_arguments", "edited_by", "edited_verdict", "effective_arguments")


def upgrade() -> None:
    """Add the columns. Items that are there were neither edited nor reopened, and what ran is what was proposed."""
    seq = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    for name in COLUMNS:
        op.add_column("review_item", sa.Column(name, sa.Text))
    op.add_column("review_item", sa.Column("edited_digest", sa.String(64)))
    op.add_column("review_item", sa.Column("reopened_seq", seq))
    op.execute("UPDATE review_item SET effective_arguments = arguments WHERE state IN ('executing', 'done', 'unknown')")
