from __future__ import annotations

import unicodedata
from typing import Annotated

from pydantic import Field

from so8t.tools.decorator import tool
from so8t.tools.notes import Note, Notes

MAX_NOTES = 50


@tool(effects={"read"})
def recall(
    notes: Notes, query: Annotated[str, Field(description="Words that the note holds; empty: all notes")] = ""
) -> str:
    """Look up stored notes."""
    words = _folded(query).split()
    found = [note for note in reversed(notes.all()) if all(word in _folded(note.text) for word in words)]
    if not found:
        return f"no note holds {query!r}" if words else "there are no notes yet"
    rest = [f"… and {len(found) - MAX_NOTES} older ones"] if len(found) > MAX_NOTES else []
    return "\n".join([*map(_line, found[:MAX_NOTES]), *rest])


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()


def _line(note: Note) -> str:
    return f"{note.at.astimezone():%Y-%m-%d %H:%M}  {note.text}"
