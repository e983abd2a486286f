"""What the assistant says: replies without a tool, and the short answers after a tool's result."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any

from so8t.training.mini import wordlists

_WORDS = wordlists.table("replies")
REPLIES: dict[str, list[str]] = _WORDS["replies"]
FOREIGN: str = _WORDS["foreign"]
NOTHING: list[str] = wordlists.table("results")["nothing"]
AFTER: dict[str, list[str]] = _WORDS["after"]


def answer(tool: str, arguments: Mapping[str, Any], result: str, r: Random) -> str:
    """The assistant's words after `result`, the text of the tool message."""
    if result.startswith("error: "):
        return f"That failed: {result[7:]}"
    if result.startswith("waiting: needs review ("):
        return f"That needs a reviewer's approval first {result[22:]}."
    if result.startswith("refused: "):
        return "The safety gate refused that."
    if tool in ("search_text", "recall", "sqlite_query", "list_files") and result in NOTHING:
        return str(_WORDS["nothing"])
    return r.choice(AFTER[tool]).format(result=result, where=arguments.get("path", "this folder"), **arguments)
