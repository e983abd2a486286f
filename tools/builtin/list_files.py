from __future__ import annotations

from typing import Annotated

from pydantic import Field

from so8t.tools.decorator import tool
from so8t.tools.workspace import Entry, Workspace

MAX_ENTRIES = 500


@tool(effects={"read"})
def list_files(workspace: Workspace, path: Annotated[str, Field(description="Folder in the workspace")] = ".") -> str:
    """List the files and folders in a folder."""
    entries = workspace.list(path)
    if not entries:
        return "the folder is empty"
    lines = [_line(entry) for entry in entries[:MAX_ENTRIES]]
    if len(entries) > MAX_ENTRIES:
        lines.append(f"… and {len(entries) - MAX_ENTRIES} more")
    return "\n".join(lines)


def _line(entry: Entry) -> str:
    match entry.kind:
        case "file":
            return f"{entry.name}  ({entry.size:,} bytes)"
        case "folder":
            return f"{entry.name}/"
    return f"{entry.name}  ({'link, not followed' if entry.kind == 'link' else 'no file'})"
