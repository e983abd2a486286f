"""JSON that means one thing only: strict reading, canonical writing (RFC 8785).

Two readers of one text must not disagree about a tool call. So duplicate keys, NaN and infinities, integers beyond
2^53 and lone surrogates are errors here, where the standard library lets them pass.
"""

from __future__ import annotations

import json
from typing import Any, NoReturn

import rfc8785

MAX_INT = 2**53 - 1  # RFC 8785, section 3.2.2.3 (I-JSON)
MAX_DEPTH = 64


class StrictJsonError(ValueError):
    """The root of this module's errors."""


class NotStrictJson(StrictJsonError):
    """The text is no JSON, or JSON that two readers may understand differently."""


class NotCanonical(StrictJsonError):
    """The value cannot be written as canonical JSON."""


def loads(text: str) -> Any:
    """Read JSON text. Raises NotStrictJson."""
    try:
        value = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    except RecursionError:
        raise NotStrictJson("nested too deeply") from None
    except json.JSONDecodeError as error:
        raise NotStrictJson(f"not JSON: {error.msg} at line {error.lineno}, column {error.colno}") from None
    except ValueError as error:  # int() refuses absurdly long digits
        raise NotStrictJson(str(error)) from None
    _check(value, NotStrictJson)
    return value


def canonical(value: Any) -> str:
    """Write `value` as RFC 8785 canonical JSON. Raises NotCanonical."""
    _check(value, NotCanonical)
    try:
        return rfc8785.dumps(value).decode()
    except (rfc8785.CanonicalizationError, TypeError) as error:
        raise NotCanonical(str(error)) from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise NotStrictJson(f"the key {key!r} stands twice in one object")
        found[key] = value
    return found


def _no_constant(name: str) -> NoReturn:
    raise NotStrictJson(f"{name} is not a JSON number")


def _check(value: Any, error: type[StrictJsonError], depth: int = 0) -> None:
    if depth > MAX_DEPTH:
        raise error(f"nested deeper than {MAX_DEPTH} levels")
    match value:
        case bool() | None:
            return
        case int():
            if abs(value) > MAX_INT:
                raise error("an integer is beyond 2^53: pass it as text")
        case float():
            if value != value or value in (float("inf"), float("-inf")):
                raise error("NaN and infinities are not JSON numbers")
            if value.is_integer() and MAX_INT < abs(value) < 1e21:  # RFC 8785 writes these as integers
                raise error("an integer is beyond 2^53: pass it as text")
        case str():
            if any("\ud800" <= c <= "\udfff" for c in value):
                raise error("text holds a lone surrogate (broken Unicode)")
        case dict():
            for key, item in value.items():
                if not isinstance(key, str):
                    raise error(f"the key {key!r} is not text")
                _check(key, error, depth + 1)
                _check(item, error, depth + 1)
        case list() | tuple():
            for item in value:
                _check(item, error, depth + 1)
        case _:
            raise error(f"{type(value).__name__} is not a JSON value")
