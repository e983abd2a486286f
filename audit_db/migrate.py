"""Brings a database to the newest schema when it is opened."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, inspect, text

from so8t.audit_db.errors import NewerSchema
from so8t.audit_db.schema import HEAD

FOLDER = Path(__file__).parent / "migrations"


def is_current(conn: Connection) -> bool:
    """Whether the schema is the newest one."""
    return _version(conn) == HEAD


def migrate(conn: Connection) -> None:
    """Run what is missing, inside the transaction of `conn`, which must hold the write lock.

    Raises:
        NewerSchema: a newer so8t (or another program) made this database.
    """
    current = _version(conn)  # again, under the lock: another program may have been first
    if current == HEAD:
        return
    from alembic import command  # here, because it takes 0.2 s to import and is needed once in a database's life
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = conn
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if current is not None and current not in known:
        raise NewerSchema(
            f"the database has the schema {current!r}, this so8t knows those up to {HEAD!r}: "
            "a newer so8t made it (update so8t), or it belongs to another program (name another database)"
        )
    command.upgrade(config, "head")


def _version(conn: Connection) -> str | None:
    if not inspect(conn).has_table("alembic_version"):
        return None
    value = conn.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return None if value is None else str(value)
