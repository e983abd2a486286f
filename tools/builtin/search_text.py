from __future__ import annotations

import time
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from typing import Annotated

from pydantic import Field

from so8t.tools import textfile
from so8t.tools.decorator import tool
from so8t.tools.errors import ToolError
from so8t.tools.workspace import Workspace

MAX_HITS = 200
MAX_LINE = 300  # characters
SECONDS = 20.0


@tool(effects={"read"})
def search_text(
    workspace: Workspace,
    text: Annotated[str, Field(description="Text to look for, taken literally")],
    path: Annotated[str, Field(description="Folder or file to look in")] = ".",
) -> str:
    """Find text in files. Lower-case text also finds capitals."""
    if not text.strip():
        raise ToolError("the text to look for is empty")
    finds = _matcher(text)
    files = [path] if workspace.kind(path) == "file" else _in_time(workspace.walk(path))
    hits: list[str] = []
    skipped: list[str] = []
    for file in files:
        for number, line in enumerate(_lines(workspace, file, skipped), 1):
            if finds(line):
                hits.append(f"{file}:{number}: {line.strip()[:MAX_LINE]}")
            if len(hits) == MAX_HITS:
                return "\n".join([*hits, f"[stopped after {MAX_HITS} lines: look for something rarer]"])
    found = "\n".join(hits) or f"{text!r} was not found in {path}"
    return found + (f"\n[{len(skipped)} not searched: {'; '.join(skipped[:3])}]" if skipped else "")


def _matcher(text: str) -> Callable[[str], bool]:
    wanted = unicodedata.normalize("NFC", text)
    if wanted != wanted.lower():
        return lambda line: wanted in line
    return lambda line: wanted in line.lower()


def _lines(workspace: Workspace, file: str, skipped: list[str]) -> Iterable[str]:
    """The lines of a text file, in NFC; none of a binary one. `skipped` gets what could not be read, and why."""
    try:
        with workspace.open_read(file) as opened:
            start = opened.read(8192)
            if textfile.is_binary(start):
                return ()
            text = textfile.decode(start + opened.read(textfile.MAX_FILE), file)
        return textfile.lines(unicodedata.normalize("NFC", text.content))
    except ToolError as error:
        skipped.append(str(error))
        return ()


def _in_time(files: Iterator[str]) -> Iterator[str]:
    end = time.monotonic() + SECONDS
    for file in files:
        if time.monotonic() > end:
            raise ToolError(f"the search took longer than {SECONDS:g} s: look in a smaller folder")
        yield file
