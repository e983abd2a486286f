"""Conversations and tools in the OpenAI form, which chat templates and endpoints share."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from so8t.gate.contract import Message, ToolSpec


def messages_json(messages: Sequence[Message], arguments_as_text: bool) -> list[dict[str, Any]]:
    """Messages as plain JSON. Endpoints want the arguments as text, templates as an object."""
    return [_message(message, arguments_as_text) for message in messages if message.content or message.role != "system"]


def tools_json(tools: Sequence[ToolSpec]) -> list[dict[str, Any]]:
    """Tools as plain JSON."""
    return [
        {
            "type": "function",
            "function": {"name": t.name, "description": t.description, "parameters": dict(t.parameters)},
        }
        for t in tools
    ]


def _message(message: Message, as_text: bool) -> dict[str, Any]:
    shown: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.calls:
        shown["tool_calls"] = [
            {
                "id": call.id if as_text else f"{call.id}0",  # nine characters: some templates insist on it
                "type": "function",
                "function": {
                    "name": call.name,
                    "arguments": call.arguments_json if as_text else json.loads(call.arguments_json),
                },
            }
            for call in message.calls
        ]
    if message.role == "tool":
        shown |= {"tool_call_id": message.call_id if as_text else f"{message.call_id}0", "name": message.tool}
    return shown
