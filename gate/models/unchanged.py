"""A file that is what it is said to be, before it is loaded and after."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from so8t.gate.models.cache import sha256_of


class ModelChanged(Exception):
    """A file is not the one that was named, or it changed while it was loaded."""


@contextmanager
def unchanged(file: Path, sha256: str) -> Iterator[Path]:
    """Load the file inside the `with`. Raises ModelChanged, OSError."""
    found = sha256_of(file)
    if found != sha256:
        raise ModelChanged(f"{file} has SHA-256 {found}, expected {sha256}")
    yield file
    if sha256_of(file) != sha256:
        raise ModelChanged(f"{file.name} changed while it was loaded")
