"""Connections whose commits survive a power cut, on SQLite and on PostgreSQL."""

from __future__ import annotations

import os
import random
import sqlite3
import time
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, QueuePool, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from so8t.audit_db.errors import TrailUnavailable, nearest

WRITE = "so8t_write"
"""Execution option of a connection whose transaction takes the write lock when it begins."""


def locate(database: str | Path) -> Path | URL:
    """The file of an SQLite database or the URL of a PostgreSQL one. Raises TrailUnavailable."""
    if isinstance(database, Path):
        return database.expanduser().absolute()
    try:
        parsed = make_url(database)
    except ArgumentError:
        raise TrailUnavailable(
            "the database URL cannot be read: write sqlite:///FILE or postgresql://USER@HOST/DATABASE"
        ) from None
    backend = parsed.get_backend_name()
    if backend not in ("sqlite", "postgresql"):
        raise TrailUnavailable(f"no database of kind {backend!r}: use {nearest(backend, ('sqlite', 'postgresql'))}")
    if backend == "postgresql":
        return parsed.set(drivername="postgresql+psycopg")
    if not parsed.database or parsed.database == ":memory:":
        raise TrailUnavailable("a database in memory keeps nothing: name a file, sqlite:///FILE")
    return Path(parsed.database).expanduser().absolute()


def sqlite_engine(file: Path, busy_seconds: float, wal: bool) -> Engine:
    """Connections to `file`, which must exist: a file that vanishes is an error, never a fresh empty trail."""
    if wal and not wal_is_safe(sqlite3.sqlite_version_info):
        raise TrailUnavailable(
            f"SQLite {sqlite3.sqlite_version} can lose committed records in WAL mode: leave it off, "
            "or use SQLite 3.44.6, 3.50.7, 3.51.3 or newer"
        )
    uri = f"{file.absolute().as_uri()}?mode=rw"
    settings = (
        "PRAGMA foreign_keys = ON",
        "PRAGMA trusted_schema = OFF",
        f"PRAGMA journal_mode = {'WAL' if wal else 'DELETE'}",
        "PRAGMA synchronous = EXTRA",
    )

    def connect() -> sqlite3.Connection:
        raw = sqlite3.connect(uri, uri=True, timeout=busy_seconds, isolation_level=None, check_same_thread=False)
        raw.text_factory = lambda data: data.decode("utf-8", "surrogateescape")  # damaged text is read, then found
        try:
            for statement in settings:
                raw.execute(statement).close()
        except sqlite3.Error:
            raw.close()
            raise
        return raw

    def begin(conn: Connection) -> None:
        raw = conn.connection.dbapi_connection
        assert isinstance(raw, sqlite3.Connection)
        if conn.get_execution_options().get(WRITE):
            _begin_write(raw, busy_seconds)
        else:
            raw.execute("BEGIN")

    engine = create_engine("sqlite://", creator=connect, poolclass=QueuePool)
    event.listen(engine, "begin", begin)
    return engine


def _begin_write(raw: sqlite3.Connection, busy_seconds: float) -> None:
    """BEGIN IMMEDIATE: two writers that both began by reading could never both commit.

    SQLite's own waiting backs off to a tenth of a second and starves behind a busy writer; this asks more often.
    """
    give_up = time.monotonic() + busy_seconds
    raw.execute("PRAGMA busy_timeout = 0")
    try:
        while True:
            try:
                raw.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                if not error.sqlite_errorname.startswith("SQLITE_BUSY") or time.monotonic() > give_up:
                    raise
                time.sleep(random.uniform(0.0005, 0.004))  # noqa: S311 - spreads the waiters, guards nothing
            else:
                return
    finally:
        raw.execute(f"PRAGMA busy_timeout = {int(busy_seconds * 1000)}")


def wal_is_safe(version: tuple[int, ...]) -> bool:
    """Whether this SQLite is free of the WAL-reset bug (fixed in 3.44.6, 3.50.7 and 3.51.3)."""
    return version >= (3, 51, 3) or (3, 50, 7) <= version < (3, 51) or (3, 44, 6) <= version < (3, 45)


def postgresql_engine(url: URL, busy_seconds: float) -> Engine:
    """Connections that wait for locks at most `busy_seconds` and whose commits are on disk when they return."""
    try:
        engine = create_engine(url, pool_pre_ping=True)
    except ModuleNotFoundError:
        raise TrailUnavailable("PostgreSQL needs one more package: pip install 'so8t[postgres]'") from None

    def settings(raw: Any, _: object) -> None:
        with raw.cursor() as cursor:
            cursor.execute("SET synchronous_commit = on")
            cursor.execute(f"SET lock_timeout = {int(busy_seconds * 1000)}")
        raw.commit()

    event.listen(engine, "connect", settings)
    return engine


def private_file(file: Path) -> None:
    """Make `file` (and its folder) if missing; nobody but the owner may read it. Raises TrailUnavailable."""
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(file, os.O_RDONLY | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600))
        if os.name == "posix" and file.stat().st_mode & 0o077 and file.stat().st_uid == os.geteuid():
            file.chmod(0o600)
    except OSError as error:
        raise TrailUnavailable(
            f"cannot open the database {file}: {error.strerror}; check the folder, its permissions and the free space"
        ) from None
