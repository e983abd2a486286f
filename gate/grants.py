"""What a person may let pass beforehand: calls of one tool whose every argument is stated, by a value or a pattern.

A grant turns ESCALATE into ALLOW and nothing else: never REFUSE, never what a policy rule or a fault says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import regex

from so8t.gate.allowed import GrantUse
from so8t.gate.characters import odd_characters
from so8t.gate.contract import Call, Decision, Finding, Source, Verdict
from so8t.gate.strict_json import StrictJsonError, canonical, loads

GRANTABLE: Final = frozenset({Source.READABILITY, Source.PROVENANCE, Source.HEAD})
"""Layers whose ESCALATE a grant may turn."""

GLOB_SECONDS: Final = 0.05  # a pattern that needs longer does not match

_WILDCARDS: Final = regex.compile(r"\*\*|\*|\?")
_MEANING: Final = {"**": r"(?s:.*)", "*": r"[^/\\\r\n]*", "?": r"[^/\\\r\n]"}


class StatementInvalid(ValueError):
    """What is stated about an argument is no value or no pattern, or a pattern with characters that nobody sees."""


@dataclass(frozen=True, slots=True)
class Exactly:
    """The value itself, to the last character: no other spelling, no other type."""

    value_json: str  # canonical JSON

    def fits(self, value: object) -> bool:
        """Whether it is this value."""
        return canonical(value) == self.value_json


@dataclass(frozen=True, slots=True)
class Glob:
    """The whole of a text fits the pattern: `*` is any text within one line and without / and \\, `?` one such
    character, `**` any text.

    A text with characters that a reader does not see, or with a `..` in its path, fits no pattern.
    """

    pattern: str

    def fits(self, value: object) -> bool:
        """Whether the value is such a text; upper and lower case differ."""
        if not isinstance(value, str) or odd_characters(value) or ".." in regex.split(r"[/\\]", value):
            return False
        try:
            return regex.fullmatch(_expression(self.pattern), value, timeout=GLOB_SECONDS) is not None
        except TimeoutError:
            return False


Statement = Exactly | Glob
Stated = Mapping[str, Statement]


def exactly(value: object) -> Exactly:
    """Raises StatementInvalid for what JSON cannot carry."""
    try:
        return Exactly(canonical(value))
    except StrictJsonError as error:
        raise StatementInvalid(f"no value that a call could have: {error}") from None


def glob(pattern: str) -> Glob:
    """Raises StatementInvalid for a pattern that nobody can read whole."""
    if not pattern:
        raise StatementInvalid("an empty pattern: to allow the empty text, state it as the value")
    if odd := odd_characters(pattern):
        raise StatementInvalid(f"the pattern holds {odd[0]}: U+{odd[1]:04X}")
    return Glob(pattern)


def covers(stated: Stated, call: Call) -> bool:
    """Whether the call has exactly the stated arguments, none more and none less, and each of them fits."""
    arguments = call.arguments
    return arguments.keys() == stated.keys() and all(stated[name].fits(value) for name, value in arguments.items())


def may_turn(verdict: Verdict) -> bool:
    """Whether a grant may turn this verdict: ESCALATE by layers that a person may overrule, and the head spoke."""
    strict = [finding for finding in verdict.findings if finding.decision is not Decision.ALLOW]
    return (
        verdict.decision is Decision.ESCALATE
        and verdict.probabilities is not None
        and bool(strict)
        and all(f.decision is Decision.ESCALATE and f.source in GRANTABLE for f in strict)
    )


def turned(verdict: Verdict, use: GrantUse) -> Verdict:
    """ALLOW by a person. All that the gate found stays in it."""
    of = f"use {use.number}" if use.times is None else f"use {use.number} of {use.times}"
    finding = Finding(Source.HUMAN, Decision.ALLOW, f"the grant {use.grant} of {use.by} lets it pass ({of})")
    return replace(verdict, decision=Decision.ALLOW, source=Source.HUMAN, findings=(*verdict.findings, finding))


def stated_json(stated: Stated) -> str:
    """As canonical JSON: name -> {"equals": value} or {"glob": pattern}."""
    return canonical({name: _plain(statement) for name, statement in stated.items()})


def stated_of(text: str) -> dict[str, Statement]:
    """Back from `stated_json`. Raises StatementInvalid, StrictJsonError."""
    value = loads(text)
    if not isinstance(value, dict):
        raise StatementInvalid("no JSON object")
    return {name: _statement(item) for name, item in value.items()}


def _plain(statement: Statement) -> dict[str, Any]:
    return {"glob": statement.pattern} if isinstance(statement, Glob) else {"equals": loads(statement.value_json)}


def _statement(item: object) -> Statement:
    match item:
        case {"equals": value, **rest} if not rest:
            return exactly(value)
        case {"glob": str() as pattern, **rest} if not rest:
            return glob(pattern)
    raise StatementInvalid(f"neither a value nor a pattern: {item!r:.80}")


def _expression(pattern: str) -> str:
    literal, wild = _WILDCARDS.split(pattern), _WILDCARDS.findall(pattern)
    parts = [regex.escape(literal[0])]
    for mark, text in zip(wild, literal[1:], strict=True):
        parts += [_MEANING[mark], regex.escape(text)]
    return "".join(parts)
