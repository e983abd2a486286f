"""One read-only statement, in a process of its own, within limits of time, rows and size."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from so8t.tools.sqlite.errors import NotADatabase, QueryFailed, QueryRefused, SqliteFault

SECONDS = 10.0  # that SQLite has for the query
GRACE = 3.0  # seconds on top, before the process is killed
_CHILD = Path(__file__).with_name("child.py")
_ENVIRONMENT = ("SYSTEMROOT", "TMPDIR", "TEMP", "TMP")  # nothing else of ours is passed on


@dataclass(frozen=True, slots=True)
class Rows:
    """Values as short text of one line. `more`: there were more rows than were fetched."""

    columns: tuple[str, ...]
    rows: list[tuple[str, ...]]
    more: bool


def run(database: Path, query: str, seconds: float = SECONDS) -> Rows:
    """Run `query` on a private copy (see snapshot.py). Raises SqliteFault."""
    answer = _ask({"database": str(database), "query": query, "seconds": seconds}, seconds)
    if "kind" in answer:
        raise _named(answer["kind"], answer["text"], seconds)
    return Rows(tuple(answer["columns"]), [tuple(row) for row in answer["rows"]], answer["more"])


def _ask(request: dict[str, Any], seconds: float) -> dict[str, Any]:
    environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
    try:
        done = subprocess.run(  # noqa: S603 - our own interpreter and script, no shell; the query goes through a pipe
            [sys.executable, "-I", "-S", str(_CHILD)],
            input=json.dumps(request).encode(),
            capture_output=True,
            env=environment,
            timeout=seconds + GRACE,
            check=True,
        )
    except subprocess.TimeoutExpired:
        raise QueryFailed(f"the query took longer than {seconds:g} s") from None
    except subprocess.CalledProcessError as error:
        raise QueryFailed(f"SQLite stopped in the middle of the query (exit code {error.returncode})") from None
    except OSError as error:
        raise QueryFailed(f"no process could be started for the query: {error.strerror}") from None
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def _named(kind: str, text: str, seconds: float) -> SqliteFault:
    match kind:
        case "refused":
            return QueryRefused(f"only reading is allowed ({text})")
        case "several":
            return QueryRefused("one statement only")
        case "slow":
            return QueryFailed(f"the query took longer than {seconds:g} s")
        case "damaged":
            return NotADatabase(f"the file is no SQLite database or is damaged ({text})")
        case "large":
            return QueryFailed(f"the query needs too much memory ({text})")
    return QueryFailed(f"SQLite: {text}")
