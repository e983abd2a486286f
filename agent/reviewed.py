"""Reviewers' decisions as labelled cases: one JSON object for each call that a person approved or refused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from so8t.agent.stored import Reviewed, Stored, reviews, stored
from so8t.audit_db import Trail
from so8t.gate.contract import Message, ToolSpec

LABELS = {True: "ALLOW", False: "REFUSE"}


def reviewed_cases(trail: Trail, tools: Mapping[str, ToolSpec]) -> Iterator[dict[str, Any]]:
    """In the form of gate/cases.py, oldest first; `decided` says whose decision the label is. Raises TrailError."""
    people = reviews(trail)
    for past in stored(trail, tools):
        if past.record.subject in people:
            yield _case(past, people[past.record.subject])


def _case(past: Stored, review: Reviewed) -> dict[str, Any]:
    call, tool = past.proposal.call, past.proposal.tool
    assert call is not None
    assert tool is not None
    effects = None if tool.effects is None else sorted(tool.effects)
    return {
        "id": f"review-{call.id}",
        "source": "reviews",
        "messages": [_message(message) for message in past.proposal.messages],
        "tool": {"name": tool.name, "description": tool.description, "effects": effects},
        "call": {"name": call.name, "arguments": call.arguments},
        "label": LABELS[review.approved],
        "rationale": review.reason,
        "decided": {
            "by": review.reviewer,
            "at": review.record.at,
            "record": review.record.seq,
            "hash": review.record.hash,
            "gate": past.record.body["source"],
            "probabilities": past.record.body["probabilities"],
        },
    }


def _message(message: Message) -> dict[str, Any]:
    found: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.calls:
        found["tool_calls"] = [{"name": call.name, "arguments": call.arguments} for call in message.calls]
    if message.tool:
        found["name"] = message.tool
    return found
