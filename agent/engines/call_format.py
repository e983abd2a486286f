"""How a model writes its tool calls: what announces a call, and how calls are read back out of an answer's text."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property

import regex

from so8t.agent.engines import ProposedCall


@dataclass(frozen=True)
class CallFormat:
    """`before NAME middle ARGUMENTS (between NAME middle ARGUMENTS)* after`. A NUL in a part stands for a call id."""

    before: str
    middle: str
    between: str | None  # None: one call an answer
    after: str

    @property
    def trigger(self) -> str:
        """What announces a call: the start of `before`, up to white space or an id."""
        return regex.split(r"\s|\0", self.before)[0]

    @cached_property
    def _opening(self) -> regex.Pattern[str]:
        """Finds where a call opens. Plain JSON opens one only at the start: it may also stand inside a text."""
        plain_json = regex.match(r"\[?\s*\{", self.before)
        return regex.compile((r"^\s*\K" if plain_json else "") + _pattern(self.before))

    def opening(self, text: str, *, ended: bool) -> int:
        """Where a call opens, or may be about to open; the length of the text where none does.

        Args:
            ended: nothing follows `text`: less than the trigger is no call then.
        """
        match = self._opening.search(text, partial=True)
        if match is None or (ended and len(match.group()) < len(self.trigger)):
            return len(text)
        return match.start()

    def split(self, text: str) -> tuple[str, tuple[ProposedCall, ...], bool]:
        """Text before the calls, the calls, and whether they can be read to their end (if not: no call)."""
        start = position = self.opening(text, ended=True)
        calls: list[ProposedCall] = []
        while position < len(text):
            group, end = self._group(text, position)
            if not group:
                return text[:start], (), False
            calls += group
            position = end + self.opening(text[end:], ended=True)
        return text[:start], tuple(calls), True

    def _group(self, text: str, position: int) -> tuple[list[ProposedCall], int]:
        """The calls that stand together from `position` on, and where they end; none if they cannot be read."""
        calls: list[ProposedCall] = []
        separator = self.before
        while opened := _compiled(separator).match(text, position):
            middle = _compiled(self.middle).search(text, opened.end())
            if middle is None:
                return [], position
            try:
                _, position = json.JSONDecoder().raw_decode(text, middle.end())
            except (ValueError, RecursionError):
                return [], position
            calls.append(ProposedCall(text[opened.end() : middle.start()], text[middle.end() : position]))
            if self.between is None:
                break
            separator = self.between
        closed = _compiled(self.after.rstrip()).match(text, position)
        return (calls, closed.end()) if closed else ([], position)


FALLBACK = CallFormat(
    before='<tool_call>\n{"name": "',
    middle='", "arguments": ',
    between='}\n</tool_call>\n<tool_call>\n{"name": "',
    after="}\n</tool_call>",
)
"""For models whose template knows no tools: they are told this format in words."""


def _compiled(part: str) -> regex.Pattern[str]:
    return regex.compile(_pattern(part))  # the module keeps a cache


def _pattern(part: str) -> str:
    """A pattern for a part: white space is loose, a NUL is an id."""
    pieces = regex.split(r"(\s+|\0)", part)
    return "".join(r"\s*" if p.isspace() else r"[\w-]*" if p == "\0" else regex.escape(p) for p in pieces)
