"""Stored JSON laid out for reading, without changing a character of it; and padding that nobody can hide behind."""

from __future__ import annotations

import re
from collections.abc import Iterator

RUN = 24  # so many equal characters in a row are shown as one, with their number

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|\{\}|\[\]|[{}\[\],:]|[^"{}\[\],:]+|"', re.DOTALL)
_UNIT = r"\\u[0-9a-fA-F]{4}|\\.|[^\\]"  # one character of a JSON string
_RUN = re.compile(rf"({_UNIT})\1{{{RUN - 1},}}", re.DOTALL)
_MORE = "‹the same {:,} more times›"
_AFTER_NEWLINE = re.compile(r"(?:\\.|[^\\])*?\\n(?:‹the same [\d,]+ more times›)?|.+", re.DOTALL)


def squeeze(text: str) -> str:
    """`text` with each long run of one character written as that character and how often more it stands there."""
    return _RUN.sub(lambda run: run[1] + _MORE.format(len(run[0]) // len(run[1]) - 1), text)


def layout(text: str) -> Iterator[tuple[str, ...]]:
    """The lines of canonical JSON, indented by two spaces, long runs inside strings squeezed.

    Each line comes in parts: a new part begins after each `\\n` inside a string, where a reader expects a new line.
    """
    depth, line = 0, [""]
    for piece in _TOKEN.findall(text):
        if piece in ("}", "]"):
            yield tuple(line)
            depth, line = depth - 1, ["  " * (depth - 1)]
        parts = _AFTER_NEWLINE.findall(squeeze(piece)) if piece.startswith('"') else [piece]
        line = [*line[:-1], line[-1] + parts[0], *parts[1:]]
        if piece == ":":
            line[-1] += " "
        if piece in ("{", "[", ","):
            depth += piece != ","
            yield tuple(line)
            line = ["  " * depth]
    yield tuple(line)
