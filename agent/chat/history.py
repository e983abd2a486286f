"""What the user typed, for the Up key: one file for all folders, with its secrets masked as the trail masks them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from prompt_toolkit.history import FileHistory


class MaskedHistory(FileHistory):
    """A convenience: where the file cannot be read or written, the chat goes on without it."""

    def __init__(self, file: Path, masked: Callable[[str], str]) -> None:
        super().__init__(str(file))
        self._masked = masked

    def load_history_strings(self) -> Iterable[str]:
        """The lines of earlier sessions, newest first."""
        try:
            return list(super().load_history_strings())
        except OSError:
            return []

    def store_string(self, string: str) -> None:
        """Add a line."""
        with suppress(OSError):
            super().store_string(self._masked(string))
