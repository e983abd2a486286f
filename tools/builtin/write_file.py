from __future__ import annotations

from typing import Annotated

from pydantic import Field

from so8t.tools.decorator import tool
from so8t.tools.workspace import Workspace


@tool(effects={"write"})
def write_file(
    workspace: Workspace,
    path: Annotated[str, Field(description="File in the workspace")],
    content: Annotated[str, Field(description="The whole new content")],
    overwrite: Annotated[bool, Field(description="Replace the file if it exists")] = False,
) -> str:
    """Create a text file, or replace one."""
    data = content.encode()
    replaced = workspace.write(path, data, overwrite)
    return f"{'replaced' if replaced else 'created'} {path} ({len(data):,} bytes)"
