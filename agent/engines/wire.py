"""Conversations and tools in the OpenAI form, which chat templates and endpoints share."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from so8t.gate.contract import Call, Message, ToolSpec


def messages_json(
    messages: Sequence[Message], tools: Sequence[ToolSpec], arguments_as_text: bool
) -> list[dict[str, Any]]:
    """Messages as plain JSON. Endpoints want the arguments as text, templates as an object."""
    orders = {tool.name: list(tool.parameters.get("properties", ())) for tool in tools}
    shown = (m for m in messages if m.content or m.role != "system")
    plain = [_message(message, orders, arguments_as_text) for message in shown]
    cleaned: list[dict[str, Any]] = json.loads(json.dumps(plain, ensure_ascii=False).encode("utf-8", "replace"))
    return cleaned  # without lone surrogates, which no encoding carries


def tools_json(tools: Sequence[ToolSpec]) -> list[dict[str, Any]]:
    """Tools as plain JSON."""
    return [
        {
            "type": "function",
            "function": {"name": t.name, "description": t.description, "parameters": dict(t.parameters)},
        }
        for t in tools
    ]


def _message(message: Message, orders: Mapping[str, list[str]], as_text: bool) -> dict[str, Any]:
    shown: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.calls:
        shown["tool_calls"] = [_call(call, orders.get(call.name, []), as_text) for call in message.calls]
    if message.role == "tool":
        shown |= {"tool_call_id": _id(message.call_id or "", as_text), "name": message.tool}
    return shown


def _call(call: Call, order: list[str], as_text: bool) -> dict[str, Any]:
    """Arguments stand in the order of the tool's signature, as the model wrote them."""
    given = call.arguments
    arguments = {name: given[name] for name in (*order, *given) if name in given}
    text = json.dumps(arguments, ensure_ascii=False)
    function = {"name": call.name, "arguments": text if as_text else arguments}
    return {"id": _id(call.id, as_text), "type": "function", "function": function}


def _id(id: str, as_text: bool) -> str:
    """Some templates insist on ids of nine characters; ours have eight."""
    return id if as_text else f"{id}0"
