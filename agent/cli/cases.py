"""Reads a file of cases one line at a time, so that its size does not matter."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import IO

from so8t.gate.cases import BadCase, Case, parse
from so8t.gate.contract import ToolSpec

MAX_LINE = 16 * 1024 * 1024  # bytes


def cases(file: IO[bytes], known: Mapping[str, ToolSpec]) -> Iterator[Case | BadCase]:
    """What each line holds. Blank lines are skipped; a line that is no case yields a BadCase that names its number.

    Args:
        known: tools by name, for cases that do not describe theirs.
    """
    for number, line in enumerate(_lines(file), 1):
        try:
            if len(line) > MAX_LINE:
                raise BadCase(f"longer than {MAX_LINE:,} bytes")
            if line.strip():
                yield parse(line, str(number), known)
        except BadCase as error:
            yield BadCase(f"line {number}: {error}")


def _lines(file: IO[bytes]) -> Iterator[bytes]:
    """Lines; of one that is too long only the beginning."""
    while line := file.readline(MAX_LINE + 1):
        yield line
        rest = line
        while len(line) > MAX_LINE and rest and not rest.endswith(b"\n"):
            rest = file.readline(MAX_LINE)
