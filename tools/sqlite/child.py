"""Runs one query in a process of its own: standard input and output carry one JSON object each.

Started by query.py as a plain script, so it imports nothing of so8t and starts in a few milliseconds. Native code can
be stopped only by ending its process (one printf() in SQL may compute for minutes), and a hostile file may crash it.
"""

import contextlib
import itertools
import json
import pathlib
import sqlite3
import sys
import time

MAX_ROWS = 200
MAX_CELL = 300  # characters
MAX_VALUE = 1_000_000  # bytes of one value or row
MAX_MEMORY = 1_000_000_000  # bytes of the process
STEPS = 10_000  # virtual machine steps between two looks at the clock

_READING = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_RECURSIVE}
_FORBIDDEN = {"load_extension", "fts3_tokenizer", "readfile", "writefile", "edit"}
_PRAGMAS = {"application_id", "encoding", "freelist_count", "page_count", "page_size", "schema_version", "user_version"}
_PRAGMAS_OF_A_NAME = {"foreign_key_list", "index_info", "index_list", "index_xinfo"} | {
    "table_info",
    "table_list",
    "table_xinfo",
}
_TABLE_FUNCTIONS = ("json_each", "json_tree", "pragma_table_info", "pragma_index_list", "pragma_foreign_key_list")


def authorize(action: int, first: str | None, second: str | None, database: str | None, trigger: str | None) -> int:
    """SQLite asks this before each step of preparing a statement: what is not known to only read is denied."""
    allowed = action in _READING
    if action == sqlite3.SQLITE_FUNCTION:
        allowed = (second or "").lower() not in _FORBIDDEN
    if action == sqlite3.SQLITE_PRAGMA:
        name = (first or "").lower()
        allowed = name in _PRAGMAS_OF_A_NAME or (name in _PRAGMAS and second is None)
    return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY


def answer(database: str, query: str, seconds: float) -> dict[str, object]:
    """Columns and rows, or the error's kind and text."""
    try:
        with contextlib.closing(connect(database, seconds)) as connection:
            cursor = connection.execute(query)
            if cursor.description is None:
                return {"kind": "refused", "text": "the statement gives no rows: one SELECT is what is allowed"}
            rows = [[cell(value) for value in row] for row in itertools.islice(cursor, MAX_ROWS)]
            return {"columns": [c[0] for c in cursor.description], "rows": rows, "more": cursor.fetchone() is not None}
    except (sqlite3.Error, sqlite3.Warning, UnicodeError, MemoryError) as error:
        return {"kind": kind(error), "text": " ".join(f"{error}".split()) or type(error).__name__}


def connect(database: str, seconds: float) -> sqlite3.Connection:
    connection = sqlite3.connect(f"{pathlib.Path(database).as_uri()}?mode=ro", uri=True, isolation_level=None)
    connection.text_factory = lambda data: data.decode("utf-8", "replace")
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_VALUE)
    connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
    for pragma in ("query_only = ON", "trusted_schema = OFF", "cell_size_check = ON", "temp_store = FILE"):
        connection.execute(f"PRAGMA {pragma}")
    for function in _TABLE_FUNCTIONS:  # SQLite sets one up at its first use, which the authorizer would deny
        with contextlib.suppress(sqlite3.OperationalError):  # this SQLite does not have it
            connection.execute(f"SELECT 1 FROM {function}('{{}}')")  # noqa: S608 - names of our own
    end = time.monotonic() + seconds
    connection.set_progress_handler(lambda: time.monotonic() > end, STEPS)
    connection.set_authorizer(authorize)
    return connection


def cell(value: object) -> str:
    """A value as short text of one line."""
    if value is None:
        return "NULL"
    if isinstance(value, bytes):
        return f"<{len(value):,} bytes>"
    text = str(value).replace("\r\n", "\\n").replace("\n", "\\n").replace("\r", "\\n").replace("|", "\\|")
    return text if len(text) <= MAX_CELL else f"{text[:MAX_CELL]}… ({len(text):,} characters)"


def kind(error: BaseException) -> str:
    code = getattr(error, "sqlite_errorcode", None)
    if code in (sqlite3.SQLITE_AUTH, sqlite3.SQLITE_READONLY) or "not authorized" in str(error):
        return "refused"
    if "one statement" in str(error):
        return "several"
    if code == sqlite3.SQLITE_INTERRUPT:
        return "slow"
    if code in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
        return "damaged"
    return "large" if code == sqlite3.SQLITE_TOOBIG or isinstance(error, MemoryError) else "failed"


def limit_memory() -> None:
    if sys.platform == "win32":  # it has no such limits
        return
    import resource

    with contextlib.suppress(ValueError, OSError):  # macOS may refuse this one
        resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY, MAX_MEMORY))


if __name__ == "__main__":
    limit_memory()
    request = json.loads(sys.stdin.buffer.read())
    sys.stdout.buffer.write(json.dumps(answer(**request)).encode())
