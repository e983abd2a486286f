from __future__ import annotations

from typing import Annotated

from pydantic import Field

from so8t.tools.decorator import tool
from so8t.tools.notes import Notes


@tool(effects={"write"})
def remember(notes: Notes, note: Annotated[str, Field(description="What to remember")]) -> str:
    """Store a note for later."""
    return f"noted: {notes.add(note).text}"
