"""A llama.cpp grammar (GBNF) under which a model can only write well-formed calls of the given tools."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from so8t.agent.engines.call_format import CallFormat
from so8t.agent.engines.json_grammar import Rules, quote


def grammar(form: CallFormat, tools: Sequence[tuple[str, Mapping[str, Any]]]) -> str:
    """GBNF for one or more calls in `form`; `tools` (one or more) are (name, JSON Schema of the arguments)."""
    rules = Rules()
    calls = [f"({quote(name)} {_part(form.middle)} {rules.add(schema)})" for name, schema in tools]
    more = f" ({_part(form.between)} call)*" if form.between is not None else ""
    own = [
        f"root ::= {_part(form.before)} call{more} {_part(form.after.rstrip())}",
        f"call ::= {' | '.join(calls)}",
        "callid ::= [a-zA-Z0-9]{9}",
    ]
    return "\n".join(own) + "\n" + rules.text()


def _part(text: str) -> str:
    """Literals, and a call id for each NUL."""
    return " callid ".join(quote(piece) for piece in text.split("\0"))
