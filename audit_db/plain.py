"""Any value, made fit for canonical JSON, so that no odd input can keep a record from being written.

What JSON cannot carry exactly becomes text that shows what it was: NaN becomes "nan", an integer beyond 2^53 its
digits, a lone surrogate its escape, NUL (which PostgreSQL cannot store) a backslash and 0.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Set
from enum import Enum
from typing import Any

from so8t.audit_db.mask import MaskedText
from so8t.gate.strict_json import MAX_DEPTH, MAX_INT

_DEEPEST = MAX_DEPTH - 8  # leaves room for what a record is wrapped in


def plain(value: Any, depth: int = 0) -> Any:
    """`value` as JSON values. Sets are sorted; values of unknown types and nesting beyond the limit become text."""
    if depth >= _DEEPEST:
        return plain_text(repr(value))
    match value:
        case None | bool() | MaskedText():
            return value
        case Enum():
            return plain(value.value, depth)
        case str():
            return plain_text(value)
        case int():
            return int(value) if abs(value) <= MAX_INT else str(value)
        case float():
            return value if math.isfinite(value) else str(value)
        case Mapping():
            return {plain_text(str(k)): plain(v, depth + 1) for k, v in value.items()}
        case Set():
            return sorted((plain(v, depth + 1) for v in value), key=repr)
        case list() | tuple():
            return [plain(v, depth + 1) for v in value]
    return plain_text(str(value))


def plain_text(text: str) -> str:
    """Text without NUL and lone surrogates: they become escapes, `\\0` and for example `\\ud800`."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\0")
