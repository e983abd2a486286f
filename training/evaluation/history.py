"""The log of a training run: one JSON object a step, read back as series over steps."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


class HistoryError(ValueError):
    """The root of this module's errors."""


class HistoryBroken(HistoryError):
    """The log cannot be read. The message names the file and the line."""


@dataclass(frozen=True, slots=True)
class Series:
    """One key of the log: (K,) steps, ascending, and (K,) values, finite."""

    steps: NDArray[np.float64]
    values: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class History:
    """Every number of the log by its key, such as "loss/total"."""

    series: Mapping[str, Series]

    def under(self, prefix: str) -> dict[str, Series]:
        """The series whose key starts with `prefix`, by the rest of the key, in the log's order."""
        return {key.removeprefix(prefix): found for key, found in self.series.items() if key.startswith(prefix)}


def read(file: Path) -> History:
    """Read log.jsonl. Raises HistoryBroken.

    A step that stands twice (the run was resumed) counts as it was last written. A last line that was cut off, by a run
    that was killed, is left out. Values that are no finite number are left out: a gap in the plot.
    """
    try:
        lines = file.read_bytes().split(b"\n")
    except OSError as error:
        raise HistoryBroken(f"{file} cannot be read: {error.strerror}") from None
    found: dict[str, dict[float, float]] = {}
    for number, line in enumerate(lines, 1):
        row = _row(file, number, line, last=number == len(lines))
        for key, value in row.items():
            if key not in ("step", "epoch") and _finite(value):
                found.setdefault(key, {})[row["step"]] = float(value)
    return History({key: _series(points) for key, points in found.items()})


def _row(file: Path, number: int, line: bytes, *, last: bool) -> dict[str, Any]:
    if not line.strip():
        return {}
    try:
        row = json.loads(line.decode("utf-8"))
    except ValueError:  # UnicodeDecodeError and JSONDecodeError are ValueErrors
        if last:
            return {}
        raise HistoryBroken(f"{file}, line {number}: not JSON") from None
    if not isinstance(row, dict) or not _finite(row.get("step")):
        raise HistoryBroken(f"{file}, line {number}: not an object with a number `step`")
    return row


def _finite(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _series(points: dict[float, float]) -> Series:
    steps = sorted(points)
    return Series(np.array(steps, np.float64), np.array([points[step] for step in steps], np.float64))
