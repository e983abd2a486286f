"""Policy rules: what the operator forbids or wants a person to see, whatever the head says.

A rule can only tighten. It proves itself: its examples are checked when the rules load.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from so8t.gate.contract import Call, Decision, Effect, Finding, Message, Proposal, Source, ToolSpec
from so8t.gate.encodings import readable_copies
from so8t.gate.leaves import Leaf, leaves
from so8t.gate.matchers import Matcher, fits
from so8t.gate.names import unknown
from so8t.gate.plain import plain, skeleton
from so8t.gate.strict_json import canonical

USER_TURN = "user_turn"  # the tool name under which rules speak of the user's turn; its text is the argument `text`


class RulesError(ValueError):
    """The root of this module's errors."""


class RuleInvalid(RulesError):
    """A rule is written wrongly: an unknown name, a missing reason, a broken pattern."""


class RuleExampleFailed(RulesError):
    """A rule does not do what one of its own examples says."""


class Example(BaseModel):
    """A call (or, for the tool user_turn, a `text`) that a rule must or must not match."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tool: str | None = None  # default: the rule's tool, where that is no pattern
    effects: tuple[Effect, ...] | None = None  # default: the rule's first effect
    arguments: dict[str, Any] = {}


class Rule(BaseModel):
    """One `[[gate.rule]]` of agent.toml. It matches when tool, effects and every named argument match."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1)
    tool: str = Field("*", min_length=1, description="name or pattern")
    effects: tuple[Effect, ...] | None = Field(None, min_length=1, description="any of these; omitted: any tool")
    arguments: dict[str, Matcher] = Field({}, description="dotted name or pattern -> matcher")
    decision: Literal["refuse", "escalate"]
    reason: str = Field(min_length=1, description="what the user is told")
    match: tuple[Example, ...] = ()
    not_match: tuple[Example, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _names(cls, value: Any) -> Any:
        if isinstance(value, dict):
            for name in value:
                if name not in cls.model_fields:
                    raise ValueError(unknown("key of a rule", str(name), cls.model_fields))
        return value

    @field_validator("effects", mode="before")
    @classmethod
    def _effects(cls, value: Any) -> Any:
        for name in value if isinstance(value, list | tuple) else ():
            if name not in list(Effect):
                raise ValueError(unknown("effect", str(name), Effect))
        return value

    @field_validator("decision", mode="before")
    @classmethod
    def _decision(cls, value: Any) -> Any:
        if value not in ("refuse", "escalate"):
            raise ValueError(unknown("decision", str(value), ("refuse", "escalate")))
        return value

    def applies(self, proposal: Proposal) -> bool:
        """Whether the rule matches. A tool whose effects nobody declared may have any effect."""
        if proposal.call is None:
            return self.tool == USER_TURN and self._arguments((Leaf("text", proposal.user_text, str),))
        if not fits(proposal.call.name, self.tool):
            return False
        declared = proposal.tool.effects if proposal.tool else None
        if self.effects is not None and declared is not None and not declared & set(self.effects):
            return False
        return self._arguments(leaves(proposal.call))

    def _arguments(self, found: tuple[Leaf, ...]) -> bool:
        return all(_any_leaf(found, name, matcher) for name, matcher in self.arguments.items())

    def check_examples(self) -> None:
        """Raises RuleExampleFailed."""
        for key, examples, wanted in (("match", self.match, True), ("not_match", self.not_match, False)):
            for number, example in enumerate(examples, start=1):
                if self.applies(_proposal(self, example)) is not wanted:
                    does = "does not match" if wanted else "matches"
                    raise RuleExampleFailed(
                        f"the rule {self.name!r} {does} its own example {key}[{number}]: {canonical(example.arguments)}"
                    )


@dataclass(frozen=True, slots=True)
class Rules:
    """All policy rules, in order."""

    rules: tuple[Rule, ...] = ()

    def __post_init__(self) -> None:
        """Raises RuleInvalid for a name that stands twice, RuleExampleFailed."""
        names = [rule.name for rule in self.rules]
        for name in names:
            if names.count(name) > 1:
                raise RuleInvalid(f"two rules have the name {name!r}")
        for rule in self.rules:
            rule.check_examples()

    @classmethod
    def load(cls, tables: Iterable[Mapping[str, Any]]) -> Rules:
        """Read the tables of `[[gate.rule]]`. Raises RuleInvalid or RuleExampleFailed."""
        return cls(tuple(_rule(number, table) for number, table in enumerate(tables, start=1)))

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of all rules as canonical JSON."""
        text = canonical([rule.model_dump(mode="json") for rule in self.rules])
        return hashlib.sha256(text.encode()).hexdigest()

    def judge(self, proposal: Proposal) -> tuple[Finding, ...]:
        """One finding for each rule that matches."""
        return tuple(
            Finding(Source.POLICY, Decision[rule.decision.upper()], rule.reason, rule.name)
            for rule in self.rules
            if rule.applies(proposal)
        )


def _rule(number: int, table: Mapping[str, Any]) -> Rule:
    try:
        return Rule.model_validate(dict(table))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        name = table.get("name", f"number {number}")
        text = first["msg"].removeprefix("Value error, ")
        raise RuleInvalid(f"rule {name!r}{', ' + where if where else ''}: {text}") from None


def _proposal(rule: Rule, example: Example) -> Proposal:
    name = example.tool or (rule.tool if not set(rule.tool) & set("*?[") else "any_tool")
    if name == USER_TURN:
        return Proposal((Message("user", str(example.arguments.get("text", ""))),))
    effects = example.effects or (rule.effects or ())[:1]
    return Proposal((), ToolSpec(name, "", frozenset(effects)), Call.of(name, example.arguments))


def _any_leaf(found: tuple[Leaf, ...], pattern: str, matcher: Matcher) -> bool:
    chosen = [leaf for leaf in found if _named(leaf.name, pattern)]
    return any(matcher.matches(leaf, _copies(leaf.text)) for leaf in (*chosen, *_joined(chosen, pattern, matcher)))


def _joined(chosen: list[Leaf], name: str, matcher: Matcher) -> Iterator[Leaf]:
    """A payload that is split over arguments or list items, put together: with and without the names between them."""
    if len(chosen) < 2 or matcher.negative:
        return
    values = [leaf.text for leaf in chosen if not leaf.key]
    with_names = [leaf.text for leaf in chosen]
    for text in dict.fromkeys(joint.join(texts) for texts in (values, with_names) for joint in ("", " ")):
        yield Leaf(name, text, str)


def _named(name: str, pattern: str) -> bool:
    """Whether the pattern names the leaf or something that contains it, with or without list positions."""
    if pattern == "*":
        return True
    parts = name.split(".")
    bare = [part for part in parts if not part.isdigit()]
    return any(fits(".".join(p[:n]), pattern) for p in (parts, bare) for n in range(1, len(p) + 1))


@lru_cache(maxsize=512)
def _copies(text: str) -> tuple[str, ...]:
    """The text, its plain spellings, and what it decodes to."""
    return tuple(dict.fromkeys(c for t in (text, *readable_copies(text)) for c in (t, plain(t), skeleton(t))))
