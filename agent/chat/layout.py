"""Where text stands on the screen.

Only so8t writes in the first two columns. Text from a model, a tool or a file begins behind them, also where it is
wrapped, so that none of it can pass for a decision or a prompt.
"""

from __future__ import annotations

from collections.abc import Iterator
from unicodedata import east_asian_width

from so8t.agent.review.cells import cells, wrap
from so8t.agent.terminal import pieces, shown

Fragments = list[tuple[str, str]]  # (prompt_toolkit style, text)
INDENT = "  "
NARROWEST = 16  # cells that text gets even where the terminal is narrower; a marker such as ‹U+10FFFF› fits
WORD = 32  # a longer word is cut anywhere


def rows(fragments: Fragments, hang: int, width: int | None) -> Iterator[Fragments]:
    """A line cut into rows of at most `width` cells; all but the first begin with `hang` spaces.

    The first `hang` characters of the line are not wrapped. None: no limit.
    """
    text = "".join(part for _, part in fragments)
    if width is None or cells(text) <= width:
        yield fragments
        return
    at = hang
    for row in wrap(text[hang:], max(NARROWEST, width - cells(text[:hang]))):
        yield _cut(fragments, 0, hang + len(row)) if at == hang else [("", " " * hang), *_cut(fragments, at, len(row))]
        at += len(row)


def _cut(fragments: Fragments, start: int, length: int) -> Fragments:
    found, at = [], 0
    for style, text in fragments:
        if part := text[max(0, start - at) : max(0, start + length - at)]:
            found.append((style, part))
        at += len(text)
    return found


class Flow:
    """Text that arrives in pieces: made safe, indented, and wrapped between words. One object an answer."""

    def __init__(self, width: int | None) -> None:
        self._width = None if width is None else max(NARROWEST, width)
        self._held = ""  # what the next piece may still belong to: a word, a letter with its marks
        self._column = 0

    def feed(self, text: str) -> str:
        """What can be written now."""
        *words, self._held = _words(self._held + text) or [""]
        return "".join(self._place(word) for word in words)

    def end(self) -> str:
        """The rest, with a newline where one is missing."""
        rest = "".join(self._place(word) for word in _words(self._held))
        self._held = ""
        return rest + (self._place("\n") if self._column else "")

    def _place(self, word: str) -> str:
        if word == "\n":
            self._column = 0
            return "\n"
        text = "".join(shown(*piece) for piece in pieces(word))
        size, lead = cells(text), ""
        if self._width is not None and self._column and self._column + size > self._width:
            if not text.strip():
                return ""  # the row ends here; the next word begins a new one
            self._column, lead = 0, "\n"
        if not self._column:
            self._column, lead = len(INDENT), lead + INDENT
        if self._width is not None and self._column + size > self._width and len(word) > 1:  # wider than a whole row
            return lead + "".join(self._place(piece) for piece, _ in pieces(word))
        self._column += size
        return lead + text


def _words(text: str) -> list[str]:
    """Words, runs of blanks, newlines, wide characters, each on its own; joined they are the text again."""
    found: list[str] = []
    before = ""
    for piece, _ in pieces(text):
        kind = _kind(piece)
        if kind == before and kind in ("blank", "word") and len(found[-1]) < WORD:
            found[-1] += piece
        else:
            found.append(piece)
        before = kind
    return found


def _kind(piece: str) -> str:
    if piece == "\n":
        return "newline"
    if piece in " \t":
        return "blank"
    return "wide" if east_asian_width(piece[0]) in "WF" else "word"
