"""How much room text takes in a terminal, and how it is cut and wrapped to fit.

Terminals disagree about the width of some characters; here each counts as the widest that any of them draws, so that
nothing is ever pushed past the right edge.
"""

from __future__ import annotations

from collections.abc import Iterator

import regex
from prompt_toolkit.utils import get_cwidth

from so8t.agent.terminal import flatten, pieces, shown

_NONE = regex.compile(r"[\p{Mn}\p{Me}\uFE0F]")
_TWO = regex.compile(r"[\p{EA=W}\p{EA=F}\p{EA=A}\p{Extended_Pictographic}\p{Regional_Indicator}]")


def cells(text: str) -> int:
    """The most cells that safe text without newlines can take."""
    if text.isascii():
        return len(text)
    return sum(0 if _NONE.match(c) else 2 if _TWO.match(c) else 1 for c in text)


def cut(text: str, width: int) -> str:
    """Text from outside on one line of at most `width` cells; says how many characters are missing."""
    flat = flatten(text)
    marks = [(shown(piece, plain), len(piece)) for piece, plain in pieces(flat)]
    if sum(cells(mark) for mark, _ in marks) <= width:
        return "".join(mark for mark, _ in marks)
    line, rest, room = "", len(flat), width - cells(f"‹+{len(flat)}›")
    for mark, length in marks:
        room -= cells(mark)
        if room < 0:
            break
        line, rest = line + mark, rest - length
    return f"{line}‹+{rest}›"


def column(text: str, width: int) -> str:
    """`cut`, filled up with spaces to the width."""
    fitting = cut(text, width)
    return fitting + " " * (width - get_cwidth(fitting))


def wrap(text: str, width: int) -> Iterator[str]:
    """The rows of safe text without newlines, none wider than `width` cells; joined they are the text again.

    A row ends after a space where one stands in its last third, else anywhere between two characters.
    """
    start = 0
    while (end := _fitting(text, start, width)) < len(text):
        space = text.rfind(" ", end - (end - start) // 3, end) + 1
        yield text[start : space or end]
        start = space or end
    yield text[start:]


def _fitting(text: str, start: int, width: int) -> int:
    """Where the row that begins at `start` must end; it holds at least one character."""
    used = 0
    for index in range(start, len(text)):
        used += cells(text[index])
        if used > width and index > start:
            return index
    return len(text)
