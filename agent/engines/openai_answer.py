"""What an OpenAI-compatible endpoint streams, put together."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from so8t.agent.engines import CUT, UNREADABLE, ProposedCall, Reply
from so8t.agent.engines.call_format import FALLBACK
from so8t.agent.engines.streaming import Visible


class Function(BaseModel):
    """A piece of a call."""

    name: str | None = None
    arguments: Any = None  # text in pieces; some endpoints send the whole object


class ToolCall(BaseModel):
    """A piece of one call, which `index` or, where an endpoint counts none, `id` tells from the others."""

    index: int | None = None
    id: str | None = None
    function: Function | None = None


class Delta(BaseModel):
    """What is new."""

    content: str | None = None
    tool_calls: list[ToolCall] | None = None


class Choice(BaseModel):
    """The only choice that we ask for."""

    delta: Delta | None = None
    finish_reason: str | None = None


class Chunk(BaseModel):
    """One event of the stream. Keys that we do not know are ignored."""

    choices: list[Choice] | None = None
    error: Any = None


class Answer:
    """What has come so far. Endpoints that do not read the model's calls leave them in the text."""

    def __init__(self) -> None:
        self.finish: str | None = None
        self._visible = Visible(FALLBACK)
        self._calls: list[_Call] = []

    def add(self, chunk: Chunk) -> str:
        """Take one chunk in; returns the text that became visible."""
        choice = chunk.choices[0] if chunk.choices else Choice()
        delta = choice.delta or Delta()
        for piece in delta.tool_calls or ():
            self._add_call(piece)
        self.finish = choice.finish_reason or self.finish
        return self._visible.add(delta.content or "")

    def rest(self) -> str:
        """The text that was held back and is text after all."""
        return self._visible.finish()

    def reply(self) -> Reply:
        """The whole answer. A cut call is no call."""
        text, written, readable = self._visible.reply()
        cut = self.finish == "length"
        read = tuple(ProposedCall(call.name, call.arguments or "{}") for call in self._calls)
        notice = CUT if cut else None if readable else UNREADABLE
        return Reply(text, () if cut else read + written, "length" if cut else "stop", notice)

    def _add_call(self, piece: ToolCall) -> None:
        function = piece.function or Function()
        call = next((known for known in reversed(self._calls) if known.goes_on(piece)), None)
        if call is None:
            self._calls.append(call := _Call(piece.index, piece.id))
        call.name += function.name or ""
        call.arguments += function.arguments if isinstance(function.arguments, str) else _text(function.arguments)


@dataclass(slots=True)
class _Call:
    index: int | None
    id: str | None
    name: str = ""
    arguments: str = ""

    def goes_on(self, piece: ToolCall) -> bool:
        """Whether the piece belongs to this call. Some endpoints send no index, some always 0, some no id."""
        if piece.index is None and not piece.id:
            return not (piece.function and piece.function.name)
        return piece.index in (None, self.index) and (not piece.id or piece.id == self.id)


def _text(arguments: Any) -> str:
    return "" if arguments is None else json.dumps(arguments, ensure_ascii=False)
