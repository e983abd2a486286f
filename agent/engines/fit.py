"""Makes a conversation fit a model's context: long tool results first, then the oldest turns. Never silently."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import Any

Message = dict[str, Any]
SHORTEST = 400  # characters that a tool result keeps
MARK = "\n[... {n} characters cut: too long for the model's context ...]\n"


class DoesNotFit(ValueError):
    """Even the last turn alone is longer than the context."""


def fit(
    messages: Sequence[Message], count: Callable[[Sequence[Message]], int], limit: int, context: str
) -> tuple[list[Message], str | None]:
    """The messages that fit `limit` tokens, and a notice if anything was left out.

    Long results of earlier turns are shortened first, then the oldest turns go, then the results of this turn shrink.

    Args:
        context: how the user is told of the limit, e.g. "the model's context (4096 tokens)".

    Raises:
        DoesNotFit: the last user turn alone is too long.
    """
    if count(messages) <= limit:
        return list(messages), None
    turns = [i for i, message in enumerate(messages) if message["role"] == "user"] or [0]
    old = [_cut(m, SHORTEST) if m["role"] == "tool" else m for m in messages[: turns[-1]]]
    short = [*old, *messages[turns[-1] :]]
    system = [m for m in messages[: turns[0]] if m["role"] == "system"]
    begins = [0, *turns[1:]]  # the first message that is kept, after the system's

    def kept(begin: int) -> list[Message]:
        return [*system, *short[begin:]] if begin else short

    # more left out never counts more: the first beginning that fits is found by bisection
    least = bisect_left(begins, True, key=lambda begin: count(kept(begin)) <= limit)
    chosen = kept(begins[min(least, len(begins) - 1)])
    while count(chosen) > limit:
        longest = max((m for m in chosen if m["role"] == "tool"), key=lambda m: len(m["content"]), default=None)
        if longest is None or len(longest["content"]) <= SHORTEST:
            raise DoesNotFit(f"this turn is longer than {context}: shorten it")
        shorter = _cut(longest, len(longest["content"]) // 2)
        chosen = [shorter if m is longest else m for m in chosen]
    return chosen, f"the conversation is longer than {context}: old turns or long results were left out for the model"


def _cut(message: Message, length: int) -> Message:
    """A tool result of about `length` characters: its beginning and its end."""
    text = message["content"]
    if len(text) <= length:
        return message
    head, tail = length * 2 // 3, length // 3
    return {**message, "content": text[:head] + MARK.format(n=len(text) - head - tail) + text[len(text) - tail :]}
