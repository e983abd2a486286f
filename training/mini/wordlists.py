"""Reads the hand-written language data beside this module."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "data"


def lines(name: str) -> tuple[str, ...]:
    """The lines of data/NAME.txt."""
    return tuple((FOLDER / f"{name}.txt").read_text(encoding="utf-8").splitlines())


def table(name: str) -> dict[str, Any]:
    """The content of data/NAME.toml."""
    return tomllib.loads((FOLDER / f"{name}.toml").read_text(encoding="utf-8"))
