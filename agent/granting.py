"""What a person writes about a tool's arguments, as a grant's statements: NAME=VALUE and NAME=PATTERN."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from so8t.gate.contract import ToolSpec
from so8t.gate.grants import Statement, StatementInvalid, exactly, glob
from so8t.gate.names import unknown
from so8t.gate.strict_json import NotStrictJson, loads

_KINDS: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
    "array": (list,),
    "object": (dict,),
}


def statements(tool: ToolSpec, values: Iterable[str], patterns: Iterable[str]) -> dict[str, Statement]:
    """By the argument's name. A value is text where the tool takes text there, else JSON.

    Raises:
        StatementInvalid: an argument that the tool has not, or twice, or one that it needs and that is missing; a value
            that it does not take; a pattern of what is no text.
    """
    properties = dict(tool.parameters.get("properties", {}))
    found: dict[str, Statement] = {}
    for text, is_pattern in [*((v, False) for v in values), *((p, True) for p in patterns)]:
        name, equals, rest = text.partition("=")
        if not equals:
            raise StatementInvalid(f"{text!r} names no value: write NAME=VALUE")
        if name not in properties:
            raise StatementInvalid(unknown(f"argument of {tool.name}", name, properties))
        if name in found:
            raise StatementInvalid(f"the argument {name} is stated twice")
        found[name] = _pattern(name, rest, properties[name]) if is_pattern else _value(name, rest, properties[name])
    missing = [name for name in tool.parameters.get("required", ()) if name not in found]
    if missing:
        raise StatementInvalid(f"every call of {tool.name} also has {', '.join(missing)}: state each argument")
    return found


def _pattern(name: str, text: str, schema: object) -> Statement:
    if str not in _types(schema):
        raise StatementInvalid(f"the argument {name} is no text, so no pattern fits it: state its value")
    return glob(text)


def _value(name: str, text: str, schema: object) -> Statement:
    """Text as it stands where only text is taken; else JSON of a kind that is taken; else text, where that is taken."""
    kinds = _types(schema)
    if kinds != (str,):
        try:
            value = loads(text)
        except NotStrictJson:
            value = ...
        if type(value) in kinds:
            return exactly(value)
    if str in kinds:
        return exactly(text)
    raise StatementInvalid(f"the argument {name} takes JSON of another kind: {text!r:.80} does not fit")


def _types(schema: object) -> tuple[type, ...]:
    """The Python types of the JSON kinds that a schema takes; all of them where it does not say."""
    named = [kind for kind in _named(schema) if kind in _KINDS]
    return tuple(dict.fromkeys(t for kind in named or _KINDS for t in _KINDS[kind]))


def _named(schema: Any) -> list[str]:
    if not isinstance(schema, dict):
        return []
    kinds = schema.get("type", [])
    choices = [kind for choice in schema.get("anyOf", ()) for kind in _named(choice)]
    return [*([kinds] if isinstance(kinds, str) else kinds), *choices]
