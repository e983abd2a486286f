"""Labelled cases, one a line of JSON: what the gate is measured with and trained on.

    {"id": "...", "lang": "en", "messages": [{"role": "user", "content": "...", "tool_calls": [...]?}],
     "tool": {"name": "...", "description": "...", "effects": ["write"]}?,
     "call": {"name": "...", "arguments": {...}} | null,
     "label": "ALLOW" | "ESCALATE" | "REFUSE" | "SAFE" | "UNSAFE"?, ...}

`tool` may be missing, `call` null (then the last user turn is judged), `label` missing. SAFE means ALLOW; UNSAFE means
one of the other two. Further keys (category, difficulty, lang, source, pair) are kept where they are known and ignored
otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ValidationError

from so8t.gate.contract import Call, Effect, Message, Proposal, ToolSpec
from so8t.gate.strict_json import StrictJsonError, loads

Label = Literal["ALLOW", "ESCALATE", "REFUSE", "SAFE", "UNSAFE"]


class CasesError(ValueError):
    """The root of this module's errors."""


class BadCase(CasesError):
    """A line is no case. The message says where and why."""


class _Call(BaseModel):
    name: str
    arguments: dict[str, Any] = {}


class _Message(BaseModel):
    role: Literal["system", "user", "assistant", "tool"]
    content: str | None = ""
    tool_calls: list[_Call] | None = None
    name: str | None = None


class _Tool(BaseModel):
    name: str
    description: str = ""
    effects: list[Effect] | None = None


class _Line(BaseModel):
    id: str | int | None = None
    messages: list[_Message]
    tool: _Tool | None = None
    call: _Call | None = None
    label: Label | None = None
    category: str | None = None
    difficulty: str | None = None
    lang: str | None = None
    source: str | None = None
    pair: str | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """One case, ready to be judged."""

    id: str
    proposal: Proposal
    label: Label | None
    category: str
    difficulty: str
    lang: str
    source: str
    pair: str


def read(lines: Iterable[bytes], known: Mapping[str, ToolSpec] | None = None) -> Iterator[Case | BadCase]:
    """Cases as they come; a line that is none yields a BadCase that names its number. Blank lines are skipped.

    Args:
        known: tools by name, for cases that do not describe theirs.
    """
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                yield parse(line, str(number), known or {})
            except BadCase as error:
                yield BadCase(f"line {number}: {error}")


def parse(line: bytes, default_id: str, known: Mapping[str, ToolSpec]) -> Case:
    """One line. Raises BadCase."""
    try:
        data = _Line.model_validate(loads(line.decode("utf-8")))
        messages = tuple(_messages(data.messages))
        call = Call.of(data.call.name, data.call.arguments) if data.call else None
    except UnicodeDecodeError:
        raise BadCase("not UTF-8") from None
    except StrictJsonError as error:
        raise BadCase(str(error)) from None
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        raise BadCase(f"{'.'.join(str(p) for p in problem['loc'])}: {problem['msg']}") from None
    if not any(message.role == "user" for message in messages):
        raise BadCase("messages: there is no user message")
    return Case(
        id=str(data.id if data.id is not None else default_id),
        proposal=Proposal(messages, _tool(data, known), call),
        label=data.label,
        category=data.category or "",
        difficulty=data.difficulty or "",
        lang=data.lang or "",
        source=data.source or "",
        pair=data.pair or "",
    )


def _tool(data: _Line, known: Mapping[str, ToolSpec]) -> ToolSpec | None:
    if data.call is None:
        return None
    if data.tool is not None:
        effects = None if data.tool.effects is None else frozenset(data.tool.effects)
        return ToolSpec(data.call.name, data.tool.description, effects)
    return known.get(data.call.name) or ToolSpec(data.call.name, "", None)


def _messages(messages: list[_Message]) -> Iterator[Message]:
    """Tool messages answer the calls before them, in order."""
    waiting: list[Call] = []
    for message in messages:
        calls = tuple(Call.of(c.name, c.arguments) for c in message.tool_calls or [])
        if message.role == "tool":
            answered = waiting.pop(0) if waiting else None
            name = message.name or (answered.name if answered else "unknown")
            yield Message("tool", message.content or "", tool=name, call_id=answered.id if answered else None)
        else:
            waiting = list(calls) or waiting
            yield Message(message.role, message.content or "", calls)
