"""JSON Schemas as llama.cpp grammar rules (GBNF). What they let through is JSON of the right names and types.

The limits that a grammar is bad at (numbers' bounds, lengths, patterns) are left to the validation that follows.
llama-cpp-python's converter is not used: it mixes up equally named $defs of two tools, breaks on quotes in names and
enum values, refuses untyped values, and lets raw control characters and lone surrogates into strings.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

Schema = Mapping[str, Any] | bool
LONGEST_ARRAY = 64  # items that minItems and maxItems may count; a longer limit is left to validation

PRIMITIVES = r"""
value ::= object | array | string | number | "true" | "false" | "null"
object ::= "{" ws (pair ("," ws pair)*)? "}"
pair ::= string ":" ws value
array ::= "[" ws (value ("," ws value)*)? "]"
string ::= "\"" char* "\""
char ::= [^"\\\x00-\x1F\x7F] | "\\" (["\\/bfnrt] | "u" unit)
unit ::= [0-9a-cA-CeEfF] hex hex hex | [dD] [0-7] hex hex
hex ::= [0-9a-fA-F]
number ::= integer ("." [0-9]{1,15})? ([eE] [-+]? [0-9]{1,3})?
integer ::= "-"? ("0" | [1-9] [0-9]{0,15})
ws ::= " "?
"""
TYPES = {
    "object": "object",
    "array": "array",
    "string": "string",
    "number": "number",
    "integer": "integer",
    "boolean": '("true" | "false")',
    "null": '"null"',
}


def quote(text: str) -> str:
    """A GBNF literal."""
    plain = (c if c.isascii() and c.isprintable() and c not in '"\\' else f"\\U{ord(c):08X}" for c in text)
    return f'"{"".join(plain)}"'


class Rules:
    """Collects the named rules of several schemas; the text is complete with PRIMITIVES."""

    def __init__(self) -> None:
        self._rules: list[str] = []
        self._definitions: dict[str, str] = {}

    def text(self) -> str:
        """All rules, one a line."""
        return "\n".join(self._rules) + PRIMITIVES

    def add(self, schema: Schema) -> str:
        """Name a rule for a whole schema, whose `$ref`s point into it."""
        self._definitions = {}
        return self._named(self._rule(schema, schema))

    def _named(self, rule: str) -> str:
        self._rules.append(f"r{len(self._rules)} ::= {rule}")
        return f"r{len(self._rules) - 1}"

    def _rule(self, schema: Any, whole: Any) -> str:
        """One term: a name, a literal, or something in parentheses. What is not understood is any value."""
        match schema:
            case {"$ref": str(reference)}:
                return self._defined(reference, whole)
            case {"const": constant}:
                return _constants([constant])
            case {"enum": [_, *_] as constants}:
                return _constants(constants)
            case {"anyOf": [_, *_] as choices} | {"oneOf": [_, *_] as choices}:
                return self._choice(choices, whole)
            case {"allOf": [only]}:
                return self._rule(only, whole)
            case {"type": [_, *_] as names}:
                return self._choice([{**schema, "type": name} for name in names], whole)
            case {"type": "object"} | {"properties": _}:
                return self._object(schema, whole)
            case {"type": "array"}:
                return self._array(schema, whole)
            case {"type": str(name)}:
                return TYPES.get(name, "value")
            case _:
                return "value"

    def _choice(self, schemas: Sequence[Schema], whole: Schema) -> str:
        return "(" + " | ".join(self._rule(schema, whole) for schema in schemas) + ")"

    def _defined(self, reference: str, whole: Schema) -> str:
        """A rule of its own for each definition, so that definitions may contain themselves."""
        if reference not in self._definitions:
            self._definitions[reference] = name = self._named("")
            self._rules[int(name[1:])] = f"{name} ::= {self._rule(_find(reference, whole), whole)}"
        return self._definitions[reference]

    def _object(self, schema: Mapping[str, Any], whole: Schema) -> str:
        """Required properties, then optional ones, each in the schema's order; others only where it speaks of them."""
        properties: Mapping[str, Schema] = schema.get("properties", {})
        required = [name for name in properties if name in schema.get("required", ())]
        pairs = {
            name: self._named(f'{quote(json.dumps(name, ensure_ascii=False))} ":" ws {self._rule(value, whole)}')
            for name, value in properties.items()
        }
        first = [pairs[name] for name in required]
        optional = [pairs[name] for name in properties if name not in required]
        more = schema.get("additionalProperties", "properties" not in schema)
        free = self._named(f'string ":" ws {self._rule(more, whole)}') if more is not False else None
        return f'("{{" ws {self._members(first, optional, free)} "}}")'

    def _members(self, required: list[str], optional: list[str], free: str | None) -> str:
        """Pairs with commas between them. A rule for each tail keeps the grammar's size linear."""
        tails = [f'("," ws {free})*' if free else '""']
        for pair in reversed(optional):
            tails.insert(0, self._named(f'("," ws {pair})? {tails[0]}'))
        if required:
            return ' "," ws '.join(required) + " " + tails[0]
        starts = [f"{pair} {tail}" for pair, tail in zip(optional, tails[1:], strict=True)]
        starts += [f"{free} {tails[-1]}"] if free else []
        return f"({' | '.join(starts)})?" if starts else ""

    def _array(self, schema: Mapping[str, Any], whole: Schema) -> str:
        match schema:
            case {"prefixItems": [_, *_] as items}:
                return '("[" ws ' + ' "," ws '.join(self._rule(item, whole) for item in items) + ' "]")'
            case _:
                item = self._named(self._rule(schema.get("items", True), whole))
                least, most = schema.get("minItems", 0), schema.get("maxItems")
                return f'("[" ws {_repeated(item, _bounded(least) or 0, _bounded(most))} "]")'


def _bounded(limit: Any) -> int | None:
    return limit if isinstance(limit, int) and 0 <= limit <= LONGEST_ARRAY else None


def _repeated(item: str, least: int, most: int | None) -> str:
    if most == 0:
        return ""
    upto = "" if most is None else max(most, least) - 1
    many = f'{item} ("," ws {item}){{{max(least - 1, 0)},{upto}}}'
    return many if least else f"({many})?"


def _constants(values: Sequence[Any]) -> str:
    return "(" + " | ".join(quote(json.dumps(value, ensure_ascii=False)) for value in values) + ")"


def _find(reference: str, whole: Any) -> Any:
    """What a local JSON pointer names; anything else may be any value."""
    path = reference.removeprefix("#").split("/")[1:]
    for key in path:
        name = key.replace("~1", "/").replace("~0", "~")
        whole = whole.get(name, True) if isinstance(whole, dict) else True
    return whole if reference.startswith("#") else True
