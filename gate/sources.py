"""Who said what: the user's words and the tools' outputs, searchable for a literal value in any spelling."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache

import regex

from so8t.gate.contract import Message
from so8t.gate.encodings import readable_copies
from so8t.gate.plain import skeleton, squash

LONG_ENOUGH = 6  # characters: a shorter value is found in tool output only as a word of its own
_BETWEEN_DIGITS = regex.compile(r"(?<=\d)[ .-](?=\d)")
_JOINTS = "./-@\\:"  # between word characters they make one longer word: evil.com.au, /data/tmp, a@b


@dataclass(frozen=True)
class Sources:
    """The texts of one conversation that a value may come from."""

    user: tuple[str, ...]  # newest first, and what their encoded parts say
    tools: tuple[tuple[str, str], ...]  # (tool's name, text), and what their encoded parts say

    @classmethod
    def of(cls, messages: Iterable[Message]) -> Sources:
        """Assistant and system messages are no source: the model may repeat what a tool told it."""
        ordered = list(messages)[::-1]
        user = [t for m in ordered if m.role == "user" for t in (m.content, *readable_copies(m.content))]
        tools = [
            (m.tool or "unknown", text)
            for m in ordered
            if m.role == "tool"
            for text in (m.content, *readable_copies(m.content))
        ]
        return cls(tuple(user), tuple(tools))

    def user_said(self, value: str) -> bool:
        """Whether the user's words contain the value, not as part of a longer word, address or path."""
        value, texts = _number(value), self.user
        if value.isdigit():
            texts = tuple(_BETWEEN_DIGITS.sub("", text) for text in texts)
        return any(_stands_in(value, text) for text in texts)

    def tool_that_said(self, value: str) -> str | None:
        """The tool whose output contains the value, even inside something longer, or None."""
        needle = squash(_number(value))
        for name, text in self._squashed_tools if len(needle) >= LONG_ENOUGH else ():
            if needle in (_BETWEEN_DIGITS.sub("", text) if needle.isdigit() else text):
                return name
        return next((name for name, text in self.tools if _stands_in(value, text)), None)

    @cached_property
    def _squashed_tools(self) -> tuple[tuple[str, str], ...]:
        return tuple((name, squash(text)) for name, text in self.tools)


def _number(value: str) -> str:
    """A long number without its separators; anything else as it is."""
    bare = _BETWEEN_DIGITS.sub("", value)
    return bare if bare.isdigit() and len(bare) >= LONG_ENOUGH else value


def _stands_in(value: str, text: str) -> bool:
    needle = squash(value)
    dense = squash(text)
    at = dense.find(needle) if needle else -1
    if at < 0:
        return False
    spaced, positions = skeleton(text), _positions(text)
    while at >= 0:
        if _bounded(spaced, positions[at], positions[at + len(needle) - 1] + 1):
            return True
        at = dense.find(needle, at + 1)
    return False


@lru_cache(maxsize=64)
def _positions(text: str) -> list[int]:
    """For each character of squash(text) its position in skeleton(text)."""
    return [i for i, c in enumerate(skeleton(text)) if c != " "]


def _bounded(text: str, start: int, end: int) -> bool:
    """Whether text[start:end] is no part of a longer word, address, number or path."""
    return not _joined(text[end - 1], text[end : end + 2]) and not _joined_left(text, start)


def _joined_left(text: str, start: int) -> bool:
    before = text[max(0, start - 2) : start][::-1]
    if before[:1] in ("/", "\\") and _wordy(text[start]):
        return False  # the last name of a path: notes.md in src/notes.md
    return _joined(text[start], before)


def _joined(edge: str, outside: str) -> bool:
    """Whether the outside (nearest character first) continues the word whose edge is `edge`."""
    near, far = outside[:1], outside[1:2]
    if _wordy(near):
        return _wordy(edge) or edge in _JOINTS
    return bool(near) and near in _JOINTS and _wordy(far) and (_wordy(edge) or edge in _JOINTS)


def _wordy(c: str) -> bool:
    """A letter or digit of a script that writes spaces between words (or an underscore)."""
    return c != "" and (c == "_" or c.isalnum()) and ord(c) < 0x2E80
