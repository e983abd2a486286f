"""The arguments of a call as a flat list of texts: nothing hides in a nested list, an object or its keys."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from so8t.gate.contract import Call
from so8t.gate.strict_json import NotStrictJson, canonical, loads

MAX_VALUES = 1000


class TooManyValues(ValueError):
    """The arguments hold more values than anyone could judge."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """One value (or, with `key`, one name inside an object) of the arguments."""

    name: str  # dotted: to.0.address
    text: str  # a string as it is; everything else as JSON
    kind: type  # of the JSON value: str, int, float, bool, NoneType, list or dict (the last two only when empty)
    key: bool = False


@lru_cache(maxsize=64)
def leaves(call: Call) -> tuple[Leaf, ...]:
    """Every value and every nested key of the arguments, in order.

    Raises:
        NotStrictJson: the arguments are no canonical JSON object: two readers could understand them differently.
        TooManyValues: more than MAX_VALUES.
    """
    arguments = loads(call.arguments_json)
    if not isinstance(arguments, dict):
        raise NotStrictJson("the arguments are not a JSON object")
    if canonical(arguments) != call.arguments_json:
        raise NotStrictJson("the arguments are not written as canonical JSON")
    found = tuple(leaf for name, value in arguments.items() for leaf in _walk(name, value))
    if len(found) > MAX_VALUES:
        raise TooManyValues(f"{len(found)} values in one call are too many to judge: split the call")
    return found


def _walk(name: str, value: Any) -> Iterator[Leaf]:
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield Leaf(name, key, str, key=True)
            yield from _walk(f"{name}.{key}", item)
    elif isinstance(value, list) and value:
        for index, item in enumerate(value):
            yield from _walk(f"{name}.{index}", item)
    else:
        yield Leaf(name, value if isinstance(value, str) else canonical(value), type(value))
