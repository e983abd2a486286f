from __future__ import annotations

from typing import Annotated

from pydantic import Field

from so8t.tools.decorator import tool
from so8t.tools.sqlite import Rows, run, snapshot
from so8t.tools.workspace import Workspace


@tool(effects={"read"})
def sqlite_query(
    workspace: Workspace,
    database: Annotated[str, Field(description="SQLite file in the workspace")],
    query: Annotated[str, Field(description="One SELECT statement")],
) -> str:
    """Run a read-only SQL query on a SQLite file."""
    with snapshot(workspace, database) as copy:
        return _table(run(copy, query))


def _table(found: Rows) -> str:
    count = f"{len(found.rows)} row" + ("" if len(found.rows) == 1 else "s")
    end = f"[more than {count}: add a LIMIT or a WHERE]" if found.more else f"[{count}]"
    return "\n".join([*map(" | ".join, [found.columns, *found.rows]), end])
