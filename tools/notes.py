"""The user's notes: one JSON object a line, in a file that the program chooses (the user's data folder)."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar

from filelock import FileLock, Timeout

from so8t.tools.errors import ToolError

MAX_NOTE = 10_000  # characters
LOCK_TIMEOUT = 5.0  # seconds


class NotesFault(ToolError):
    """A note could not be stored or the notes could not be read."""


@dataclass(frozen=True, slots=True)
class Note:
    """`at` has a time zone."""

    at: datetime
    text: str


class Notes:
    """Notes in `file`, which is created with its folder, readable by its owner alone."""

    __so8t_resource__: ClassVar[bool] = True

    def __init__(self, file: Path) -> None:
        self.file = file

    def add(self, text: str) -> Note:
        """Store a note; it is on disk when this returns. Raises NotesFault."""
        if not text.strip():
            raise NotesFault("the note is empty")
        if len(text) > MAX_NOTE:
            raise NotesFault(f"the note is longer than {MAX_NOTE:,} characters: write it to a file instead")
        note = Note(datetime.now(UTC), text.strip())
        try:
            self._append(
                json.dumps({"at": note.at.isoformat(timespec="seconds"), "note": note.text}, ensure_ascii=False)
            )
        except Timeout:
            raise NotesFault(f"another program holds the notes ({self.file}): try again") from None
        except (OSError, UnicodeEncodeError) as error:
            raise NotesFault(f"the note cannot be stored in {self.file}: {error}") from None
        return note

    def all(self) -> list[Note]:
        """Every note, oldest first. Raises NotesFault, also for a damaged line: nothing is skipped silently."""
        try:
            text = self.file.read_text(encoding="utf-8")
        except FileNotFoundError:
            return []
        except (OSError, UnicodeDecodeError) as error:
            raise NotesFault(f"the notes in {self.file} cannot be read: {error}") from None
        return list(self._parse(text))

    def _append(self, line: str) -> None:
        self.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with FileLock(f"{self.file}.lock", timeout=LOCK_TIMEOUT):
            fd = os.open(self.file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0), 0o600)
            with os.fdopen(fd, "ab") as file:
                file.write(f"{line}\n".encode())
                file.flush()
                os.fsync(fd)

    def _parse(self, text: str) -> Iterator[Note]:
        for number, line in enumerate(text.split("\n"), 1):
            if not line.strip():
                continue
            try:
                value = json.loads(line)
                at = datetime.fromisoformat(value["at"])
                yield Note(at if at.tzinfo else at.replace(tzinfo=UTC), str(value["note"]))
            except (ValueError, KeyError, TypeError):
                raise NotesFault(f"line {number} of {self.file} is damaged: mend or remove it") from None
