"""A llama.cpp grammar (GBNF) under which a model can only write valid calls of the given tools."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from llama_cpp.llama_grammar import SchemaConverter

from so8t.agent.engines.call_format import CallFormat

STRICT_CHAR = (
    r'char ::= [^"\\\x00-\x1F\x7F] | "\\" (["\\/bfnrt] | '
    r'"u" ([0-9a-cA-Ce-fE-F] [0-9a-fA-F] [0-9a-fA-F] [0-9a-fA-F] | [dD] [0-7] [0-9a-fA-F] [0-9a-fA-F]))'
)


def grammar(form: CallFormat, tools: Sequence[tuple[str, Mapping[str, Any]]]) -> str:
    """GBNF for one or more calls in `form`; `tools` are (name, JSON Schema of the arguments)."""
    converter = SchemaConverter(prop_order={}, allow_fetch=False, dotall=False, raw_pattern=False)
    alternatives = []
    for index, (name, schema) in enumerate(tools):
        resolved = converter.resolve_refs(json.loads(json.dumps(schema)), f"tool{index}")
        rule = converter.visit(resolved, f"args{index}")
        alternatives.append(f"{_quote(name)} {_part(form.middle)} {rule}")
    more = f" ({_part(form.between)} call)*" if form.between is not None else ""
    after = _part(form.after.rstrip())
    own = [
        f"root ::= {_part(form.before.lstrip())} call{more} {after}",
        f"call ::= {' | '.join(f'({a})' for a in alternatives)}",
        "callid ::= [a-zA-Z0-9]{9}",
    ]
    return "\n".join([*own, *map(_strict, converter.format_grammar().splitlines())]) + "\n"


def _strict(rule: str) -> str:
    """llama-cpp-python's rule for a character lets raw control characters and lone surrogates pass: JSON does not."""
    return STRICT_CHAR if rule.startswith("char ::=") else rule


def _part(text: str) -> str:
    return " callid ".join(_quote(piece) for piece in text.split("\0")) if text else '""'


def _quote(text: str) -> str:
    return json.dumps(text)
