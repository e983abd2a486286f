"""The user's own words, as far back as the head reads them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from so8t.gate.contract import Message

EARLIER_CHARACTERS = 600  # of earlier messages: about 150 tokens; each of them was judged in its own turn
EARLIER_MESSAGES = 4


@dataclass(frozen=True, slots=True)
class UserWords:
    """The last message whole, earlier ones newest first, and how many more there are."""

    latest: str
    earlier: tuple[str, ...]
    omitted: int


def user_words(messages: Iterable[Message]) -> UserWords:
    """Whole messages only: one that would not fit is omitted, and so is everything before it."""
    said = [m.content for m in messages if m.role == "user"]
    latest = said.pop() if said else ""
    earlier: list[str] = []
    for text in reversed(said):
        if len(earlier) == EARLIER_MESSAGES or sum(map(len, earlier)) + len(text) > EARLIER_CHARACTERS:
            break
        earlier.append(text)
    return UserWords(latest, tuple(earlier), len(said) - len(earlier))
