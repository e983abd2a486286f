"""Language models behind one Protocol: a conversation and tools in, text and proposed calls out."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from so8t.gate.contract import Message, ToolSpec

CUT = "the answer was cut: it reached model.max_tokens, or half of the model's context"
UNREADABLE = "the model began a call that cannot be read: it was left out"


class EngineError(Exception):
    """The root of this package's errors. The message says what to do."""


class EngineUnavailable(EngineError):
    """The model could not be loaded or reached."""


class EngineFault(EngineError):
    """The model broke off in the middle of an answer: crash, silence, or nonsense."""


@dataclass(frozen=True, slots=True)
class TextDelta:
    """A piece of the answer's text."""

    text: str


@dataclass(frozen=True, slots=True)
class ProposedCall:
    """A call as the model wrote it: nothing about it has been checked."""

    name: str
    arguments: str  # JSON text


@dataclass(frozen=True, slots=True)
class Reply:
    """The whole answer; the last thing that a stream yields."""

    text: str
    calls: tuple[ProposedCall, ...] = ()
    finish: Literal["stop", "length"] = "stop"
    notice: str | None = None  # what the user should know, e.g. that old messages did not fit


class Engine(Protocol):
    """A language model. Closing the generator, or cancelling the task that reads it, stops the work."""

    @property
    def name(self) -> str:
        """What the status bar shows."""
        ...

    def stream(self, messages: Sequence[Message], tools: Sequence[ToolSpec]) -> AsyncGenerator[TextDelta | Reply, None]:
        """Yield text as it comes and, last, exactly one Reply.

        Raises:
            EngineError: nothing, or no more, will come.
        """
        ...

    async def start(self) -> None:
        """Load or reach the model ahead of the first turn. Optional. Raises EngineUnavailable."""
        ...

    async def close(self) -> None:
        """Free what the engine holds. Idempotent."""
        ...
