from __future__ import annotations

from typing import Annotated

from pydantic import Field

from so8t.tools import textfile
from so8t.tools.decorator import tool
from so8t.tools.workspace import Workspace

OUTPUT = 20_000  # bytes
ROOM = 19_000  # of them for the text, so that the note about the rest is never cut off


@tool(effects={"read"}, output_cap=OUTPUT)
def read_file(
    workspace: Workspace,
    path: Annotated[str, Field(description="Text file in the workspace")],
    start_line: Annotated[int, Field(description="First line to show, counted from 1", ge=1)] = 1,
) -> str:
    """Show the contents of a text file."""
    with workspace.open_read(path) as file:
        data = file.read(textfile.MAX_FILE + 1)
    text = textfile.decode(data, path)
    lines = textfile.lines(text.content)
    if start_line > max(len(lines), 1):
        raise textfile.NotText(f"{path!r} has only {len(lines)} lines")
    shown, last = _fill(lines, start_line)
    note = (
        f"\n[lines {start_line} to {last} of {len(lines)}; go on with start_line {last + 1}]"
        if last < len(lines)
        else ""
    )
    encoding = "" if text.encoding.startswith("utf") else f"\n[read as {text.encoding}: it is not UTF-8]"
    return (shown or "the file is empty") + note + encoding


def _fill(lines: list[str], start: int) -> tuple[str, int]:
    """Whole lines from `start` while there is room, at least one; and the number of the last."""
    taken: list[str] = []
    room = ROOM
    for line in lines[start - 1 :]:
        room -= len(line.encode("utf-8", "replace"))
        if room < 0 and taken:
            break
        taken.append(line)
    return "".join(taken), start - 1 + len(taken)
