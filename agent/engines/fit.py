"""Makes a conversation fit a model's context: long tool results first, then the oldest turns. Never silently."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

Message = dict[str, Any]
SHORTEST = 400  # characters that a tool result keeps
MARK = "\n[... {n} characters cut: too long for the model's context ...]\n"


class DoesNotFit(ValueError):
    """Even the last turn alone is longer than the context."""


def fit(
    messages: Sequence[Message], count: Callable[[Sequence[Message]], int], limit: int
) -> tuple[list[Message], str | None]:
    """The messages that fit `limit` tokens, and a notice if anything was left out.

    Raises:
        DoesNotFit: the last user turn alone is too long.
    """
    kept, notice = list(messages), None
    while count(kept) > limit:
        notice = (
            "the conversation is longer than the model's context: old turns or long results were left out for the model"
        )
        longest = max((m for m in kept if m["role"] == "tool"), key=lambda m: len(m["content"]), default=None)
        if longest is not None and len(longest["content"]) > SHORTEST:
            kept[kept.index(longest)] = {**longest, "content": _halved(longest["content"])}
        elif (start := _second_turn(kept)) is not None:
            kept = [m for m in kept[:start] if m["role"] == "system"] + kept[start:]
        else:
            raise DoesNotFit(f"this turn is longer than the model's context ({limit} tokens): shorten it")
    return kept, notice


def _halved(text: str) -> str:
    head, tail = len(text) // 3, max(len(text) // 6, 1)
    return text[:head] + MARK.format(n=len(text) - head - tail) + text[-tail:]


def _second_turn(messages: Sequence[Message]) -> int | None:
    turns = [i for i, message in enumerate(messages) if message["role"] == "user"]
    return turns[1] if len(turns) > 1 else None
