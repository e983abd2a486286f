"""The open database: one door for reading, one for writing.

Every write is one transaction that holds the database's write lock from its first statement, so that appends by
several programs never interleave, and it is on disk when the block ends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

from sqlalchemy import Connection, Engine, text

from so8t.audit_db.connect import WRITE, locate, postgresql_engine, private_file, sqlite_engine
from so8t.audit_db.errors import TrailUnavailable
from so8t.audit_db.faults import translated
from so8t.audit_db.mask import Masker
from so8t.audit_db.migrate import is_current, migrate

APPEND_LOCK = 0x736F3874  # "so8t": key of PostgreSQL's advisory lock


def utc_now() -> datetime:
    """The wall clock, in UTC."""
    return datetime.now(UTC)


class Store:
    """An open database. Threads may share it; each program opens its own."""

    def __init__(
        self, engine: Engine, name: str, file: Path | None, masker: Masker, clock: Callable[[], datetime]
    ) -> None:
        self.engine = engine
        self.name = name
        self.file = file
        self.masker = masker
        self.clock = clock
        self._identity = _identity(file)

    @classmethod
    def open(
        cls,
        database: str | Path,
        masker: Masker,
        *,
        clock: Callable[[], datetime] = utc_now,
        busy_seconds: float = 30,
        wal: bool = False,
    ) -> Store:
        """Open the database, make it if it is missing (SQLite), bring its schema up to date.

        Args:
            database: a file (SQLite), or a URL: `sqlite:///FILE`, `postgresql://USER@HOST/DATABASE`.
            masker: what takes secrets out of everything that is stored.
            busy_seconds: how long to wait for another program's lock.
            wal: SQLite's WAL mode; faster, and refused where SQLite has the WAL-reset bug.

        Raises:
            TrailUnavailable, TrailDamaged, NewerSchema
        """
        place = locate(database)
        if isinstance(place, Path):
            private_file(place)
            store = cls(sqlite_engine(place, busy_seconds, wal), str(place), place, masker, clock)
        else:
            engine = postgresql_engine(place, busy_seconds)
            store = cls(engine, place.render_as_string(hide_password=True), None, masker, clock)
        try:
            store._migrate()
        except BaseException:
            store.close()
            raise
        return store

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A short read transaction that sees one state of the database. SQLite's writers wait while it is open."""
        self._check_file()
        with translated(self.engine, self.name), self.engine.connect() as conn:
            if self.file is None:
                conn = conn.execution_options(isolation_level="REPEATABLE READ")
            with conn.begin():
                yield conn

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """The only way to write: holds the write lock, commits durably at the end, undoes everything on an error."""
        self._check_file()
        with translated(self.engine, self.name), self.engine.connect() as conn:
            conn = conn.execution_options(**{WRITE: True})
            with conn.begin():
                if self.file is None:
                    conn.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": APPEND_LOCK})
                yield conn

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _migrate(self) -> None:
        with self.read() as conn:
            if is_current(conn):
                return
        with self.write() as conn:
            migrate(conn)

    def _check_file(self) -> None:
        # An open connection would go on writing, unseen, to a file that was deleted or replaced.
        if _identity(self.file) != self._identity:
            raise TrailUnavailable(
                f"the database {self.name} was moved, deleted or replaced; put it back or start again"
            )


def _identity(file: Path | None) -> tuple[int, int] | None:
    if file is None:
        return None
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
