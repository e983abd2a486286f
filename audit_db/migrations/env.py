"""Run by Alembic: migrates over the connection, and in the transaction, that `migrate.py` opened."""

from __future__ import annotations

from alembic import context

from so8t.audit_db.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
