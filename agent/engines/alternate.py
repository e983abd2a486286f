"""Conversations in the simpler forms that some chat templates insist on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

Json = dict[str, Any]


def with_system(messages: Sequence[Json], text: str) -> list[Json]:
    """The messages with `text` added to the system message."""
    if messages and messages[0]["role"] == "system":
        return [{**messages[0], "content": f"{messages[0]['content']}\n\n{text}"}, *messages[1:]]
    return [{"role": "system", "content": text}, *messages]


def in_words(message: Json) -> Json:
    """A message for a template that knows no tools: calls and results are written out."""
    match message:
        case {"role": "assistant", "tool_calls": calls}:
            blocks = [f"<tool_call>\n{json.dumps(c['function'], ensure_ascii=False)}\n</tool_call>" for c in calls]
            return {"role": "assistant", "content": "\n".join([message["content"], *blocks]).strip()}
        case {"role": "tool"}:
            return {"role": "user", "content": f"<tool_response>\n{message['content']}\n</tool_response>"}
        case _:
            return message


def alternating(messages: Sequence[Json], *, system: bool = True) -> list[Json]:
    """Consecutive plain messages of one role become one; without `system`, the system's becomes the user's first."""
    merged: list[Json] = []
    for message in messages:
        shown = message if system or message["role"] != "system" else {**message, "role": "user"}
        if merged and _plain(merged[-1]) and _plain(shown) and merged[-1]["role"] == shown["role"]:
            merged[-1] = {**shown, "content": f"{merged[-1]['content']}\n\n{shown['content']}"}
        else:
            merged.append(shown)
    return merged


def _plain(message: Json) -> bool:
    return message["role"] != "tool" and "tool_calls" not in message
