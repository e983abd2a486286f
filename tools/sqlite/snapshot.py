"""A private copy of a database, for one query.

SQLite opens files by path and follows links, so another process could swap the file between our check and its open.
The copy is read through the workspace instead. It also keeps the user's folder free of SQLite's own side files.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from so8t.tools.sqlite.errors import DatabaseBusy, DatabaseTooLarge, NotADatabase
from so8t.tools.workspace import NotFound, Workspace

MAX_DATABASE = 1_000_000_000  # bytes
ATTEMPTS = 5
PAUSE = 0.05  # seconds
_MAGIC = b"SQLite format 3\0"


@contextmanager
def snapshot(workspace: Workspace, database: str) -> Iterator[Path]:
    """The path of a copy that nobody else changes.

    Raises:
        WorkspaceError: the file cannot be reached.
        SqliteFault: it is no database, too large, or never at rest.
    """
    with tempfile.TemporaryDirectory(prefix="so8t-sqlite-", ignore_cleanup_errors=True) as folder:
        copy = Path(folder) / "database"
        for attempt in range(ATTEMPTS):
            if _copied(workspace, database, copy):
                break
            time.sleep(PAUSE * (attempt + 1))  # the other program's transaction needs time to end
        else:
            raise DatabaseBusy(f"{database!r} is being changed by another program: try again later")
        yield copy


def _copied(workspace: Workspace, database: str, copy: Path) -> bool:
    """Copy the database, then its write-ahead log; whether the database stood still meanwhile."""
    with workspace.open_read(database) as main:
        _check(main, database)
        if _size(workspace, f"{database}-journal"):
            return False  # a transaction is under way, or was cut off: pages may be half written
        before = _state(main)
        with copy.open("wb") as target:
            shutil.copyfileobj(main, target, 1 << 20)
        _copy_log(workspace, f"{database}-wal", copy.with_name("database-wal"))
        return _state(main) == before and not _size(workspace, f"{database}-journal")


def _copy_log(workspace: Workspace, log: str, copy: Path) -> None:
    """The log may grow meanwhile: SQLite reads it up to the last whole transaction, by its checksums."""
    copy.unlink(missing_ok=True)
    with suppress(NotFound), workspace.open_read(log) as source, copy.open("wb") as target:
        shutil.copyfileobj(source, target, 1 << 20)


def _check(file: BinaryIO, database: str) -> None:
    if os.fstat(file.fileno()).st_size > MAX_DATABASE:
        raise DatabaseTooLarge(f"{database!r} is larger than {MAX_DATABASE:,} bytes")
    start = file.read(16)
    file.seek(0)
    if start and start != _MAGIC:
        raise NotADatabase(f"{database!r} is not a SQLite database")


def _state(file: BinaryIO) -> tuple[int, int]:
    status = os.fstat(file.fileno())
    return status.st_size, status.st_mtime_ns


def _size(workspace: Workspace, path: str) -> int:
    """0 where there is no such file, or one that starts with zeros: a finished journal (journal_mode=PERSIST)."""
    try:
        with workspace.open_read(path) as file:
            return len(file.read(1).strip(b"\0"))
    except NotFound:
        return 0
