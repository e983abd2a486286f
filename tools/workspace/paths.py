"""From the text of a path to its parts: relative, downward, and read alike by every system."""

from __future__ import annotations

import os
import re
import unicodedata

from so8t.tools.workspace.errors import OutsideWorkspace

_DRIVE = re.compile(r"[A-Za-z]:")
_DEVICES = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])(\..*)?", re.IGNORECASE)


def split(path: str, windows: bool = os.name == "nt") -> tuple[str, ...]:
    """The parts of a path relative to the workspace; () is the workspace itself. Raises OutsideWorkspace."""
    if not path:
        raise OutsideWorkspace("the path is empty: '.' is the workspace folder")
    if "\0" in path:
        raise OutsideWorkspace(f"{path!r} holds a NUL character")
    text = path.replace("\\", "/") if windows else path
    if path.startswith(("/", "\\")) or _DRIVE.match(path):
        raise OutsideWorkspace(f"{path!r} is absolute: name files relative to the workspace folder")
    parts = tuple(part for part in text.split("/") if part not in ("", "."))
    if ".." in parts or ".." in re.split(r"[/\\]", path):
        raise OutsideWorkspace(f"{path!r} leads out of its folder: '..' is not allowed")
    if windows:
        _refuse_windows_spellings(path, parts)
    return parts


def look(part: str) -> str:
    """A spelling that all file systems agree on: a case-insensitive or normalising one may open the same file."""
    visible = "".join(c for c in unicodedata.normalize("NFKC", part) if unicodedata.category(c) != "Cf")
    return visible.casefold().rstrip(". ")


def spellings(part: str) -> tuple[str, ...]:
    """The name as given, then its composed and decomposed Unicode forms (a Mac writes か + ゙ for が)."""
    forms = (part, unicodedata.normalize("NFC", part), unicodedata.normalize("NFD", part))
    return tuple(dict.fromkeys(forms))


def _refuse_windows_spellings(path: str, parts: tuple[str, ...]) -> None:
    for part in parts:
        if ":" in part or part != part.rstrip(". ") or _DEVICES.fullmatch(part):
            raise OutsideWorkspace(f"{path!r}: Windows reads {part!r} as something else than a file of that name")
