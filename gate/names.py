"""What to say when somebody names a thing that does not exist."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def unknown(kind: str, name: str, valid: Iterable[str]) -> str:
    """An error text: `name` is no `kind`; the valid names, the nearest one first."""
    names = list(valid)
    near = difflib.get_close_matches(name, names, n=len(names), cutoff=0.0)
    ordered = near + sorted(n for n in names if n not in near)
    return f"unknown {kind} {name!r}: one of {', '.join(ordered)}"
