"""Which sessions are alive, and what to do with the calls that dead ones left running.

A living session holds a lock that its operating system or its server frees when the program dies, however it dies.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType

from filelock import FileLock, Timeout
from sqlalchemy import Connection, text

from so8t.audit_db.chain import Record
from so8t.audit_db.errors import OutcomeRefused, SessionBusy, TrailUnavailable
from so8t.audit_db.faults import translated
from so8t.audit_db.store import Store
from so8t.audit_db.trail import Trail


class SessionLock:
    """Held while a session lives. Call `recover` before the first one is taken.

    Raises:
        SessionBusy: another program (or another part of this one) runs the session.
        TrailUnavailable: the lock cannot be made.
    """

    def __init__(self, store: Store, session: str) -> None:
        self._held = _acquire(store, session)
        if self._held is None:
            raise SessionBusy(f"the session {session} is open in another program: end that one, or start a new session")

    def release(self) -> None:
        """End the session. May be called twice."""
        if self._held is not None:
            self._held.release()
        self._held = None

    def __enter__(self) -> SessionLock:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def alive(store: Store, sessions: Iterable[str]) -> set[str]:
    """Those of `sessions` that some program holds. Raises TrailUnavailable."""
    return {session for session in sessions if not _is_free(store, session)}


def recover(store: Store) -> list[Record]:
    """Record calls that a dead session left without an outcome as `unknown`; returns their intents.

    They are never run again: a person must look. To be called when a program starts.
    """
    trail = Trail(store)
    left = trail.open_intents()
    living = alive(store, {intent.session for intent in left})
    marked = []
    for intent in left:
        if intent.session in living:
            continue
        try:
            trail.mark_unknown(intent)
        except OutcomeRefused:  # another program that started now was first
            continue
        marked.append(intent)
    return marked


def _is_free(store: Store, session: str) -> bool:
    held = _acquire(store, session)
    if held is None:
        return False
    held.release()
    return True


def _acquire(store: Store, session: str) -> _FileHeld | _ServerHeld | None:
    return _on_server(store, session) if store.file is None else _on_disk(store, store.file, session)


class _FileHeld:
    """A locked file beside the database."""

    def __init__(self, lock: FileLock) -> None:
        self._lock = lock

    def release(self) -> None:
        self._lock.release()


class _ServerHeld:
    """An advisory lock of PostgreSQL, which lives as long as its connection."""

    def __init__(self, conn: Connection, key: int) -> None:
        self._conn, self._key = conn, key

    def release(self) -> None:
        self._conn.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": self._key})
        self._conn.close()


def _on_disk(store: Store, database: Path, session: str) -> _FileHeld | None:
    folder = database.with_name(f"{database.name}.sessions")
    name = hashlib.sha256(session.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        # One after the other: a program that only looks must not make a session that starts think it is busy.
        with FileLock(folder / "all.lock", timeout=30, mode=0o600):
            lock = FileLock(folder / f"{name}.lock", mode=0o600, thread_local=False)
            lock.acquire(timeout=0)
            return _FileHeld(lock)
    except Timeout as error:
        if Path(error.lock_file).name == "all.lock":
            raise TrailUnavailable(f"the lock {error.lock_file} stays taken: end the other program") from None
        return None
    except OSError as error:
        raise TrailUnavailable(f"the session locks of {store.name} cannot be used: {error}") from None


def _on_server(store: Store, session: str) -> _ServerHeld | None:
    digest = hashlib.sha256(f"so8t session {session}".encode("utf-8", "surrogatepass")).digest()
    key = int.from_bytes(digest[:8], "big", signed=True)
    with translated(store.engine, store.name):
        conn = store.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        try:
            got = conn.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": key})
        except BaseException:
            conn.close()
            raise
        if got:
            return _ServerHeld(conn, key)
        conn.close()
        return None
