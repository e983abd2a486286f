"""Names of tools: what is valid, which names look alike, which are near."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable

VALID = re.compile(r"[a-z][a-z0-9_]{0,63}")
MAX_COMPARED = 200  # characters: comparing is slow, and a model may send anything
_IGNORED = str.maketrans({"_": None, "-": None, ".": None, " ": None, "0": "o", "1": "l"})


def look(name: str) -> str:
    """What a reader sees: names with the same look must not stand side by side."""
    return unicodedata.normalize("NFKC", name).casefold().translate(_IGNORED)


def nearest(name: str, valid: Iterable[str]) -> list[str]:
    """The valid names, those most like `name` first."""
    target = look(name[:MAX_COMPARED])
    return sorted(valid, key=lambda other: (-difflib.SequenceMatcher(None, target, look(other)).ratio(), other))
