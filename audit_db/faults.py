"""Turns the database's own errors into ours, each with what to do about it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine
from sqlalchemy import exc as sql

from so8t.audit_db.errors import TrailDamaged, TrailError, TrailUnavailable

_SQLITE = {
    "SQLITE_BUSY": "another program holds the lock; end it or try again",
    "SQLITE_LOCKED": "another program holds the lock; end it or try again",
    "SQLITE_FULL": "the disk is full; free some space and try again",
    "SQLITE_READONLY": "the file or its folder is read-only; give this user the right to write there",
    "SQLITE_CANTOPEN": "the file cannot be opened; check that it and its folder exist and may be read and written",
    "SQLITE_PERM": "access is denied; give this user the right to read and write the file",
    "SQLITE_NOTADB": "the file is no SQLite database; move it away or name another one",
    "SQLITE_IOERR": "reading or writing the disk failed (full, over a limit, or broken); nothing was recorded",
}
_POSTGRESQL = {
    "08": "the connection failed; check that the server runs and can be reached",
    "25": "the server is read-only; name the primary server",
    "28": "the server refused the login; check user and password",
    "3D": "the database does not exist; create it first",
    "42": "the login may not do this, or the tables are not those of so8t; check the database and its grants",
    "53": "the server has no room or no connections left",
    "55": "another program holds the lock; end it or try again",
    "57": "the server is shutting down or cancelled the statement; try again",
}


@contextmanager
def translated(engine: Engine, name: str) -> Iterator[None]:
    """Raise TrailUnavailable or TrailDamaged in place of the driver's errors; `name` says which database."""
    raw = engine.dialect.loaded_dbapi.Error
    try:
        yield
    except sql.TimeoutError:
        raise TrailUnavailable(f"the database {name} is busy: too many threads use it at once; try again") from None
    except sql.DBAPIError as error:
        raise _ours(error.orig or error, name) from error
    except raw as error:
        raise _ours(error, name) from error


def _ours(error: BaseException, name: str) -> TrailError:
    text = next(iter(str(error).splitlines()), type(error).__name__)
    code = str(getattr(error, "sqlite_errorname", ""))
    state = str(getattr(error, "sqlstate", None) or "")
    if code.startswith("SQLITE_CORRUPT") or state.startswith("XX"):
        return TrailDamaged(f"the database {name} is damaged ({text}); keep a copy and restore a backup")
    hint = next((h for c, h in _SQLITE.items() if code.startswith(c)), None) or _POSTGRESQL.get(state[:2])
    if hint is None and code == "" and state == "":  # psycopg gives no state where no server answered
        hint = _POSTGRESQL["08"]
    return TrailUnavailable(
        f"the database {name} cannot be used: {hint or text} ({text})"
        if hint
        else f"the database {name} refused: {text}"
    )
