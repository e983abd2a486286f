"""The words that every part speaks: tool, call, message, proposal, finding, verdict.

Everything here is an immutable value. The gate turns a `Proposal` into a `Verdict`; nothing else may.
The three decisions are ordered by strictness, and the order is also the label order of the head:
index 0 is ALLOW, 1 is ESCALATE, 2 is REFUSE.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Any, Literal

from so8t.gate.strict_json import canonical, loads

ID_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford base32: no letters that look alike


def new_id() -> str:
    """A fresh 8-character identifier (40 random bits); the database refuses a duplicate."""
    return "".join(secrets.choice(ID_ALPHABET) for _ in range(8))


class Decision(IntEnum):
    """What may happen to a call. A larger value is stricter."""

    ALLOW = 0
    ESCALATE = 1
    REFUSE = 2


class Source(StrEnum):
    """Which layer made a decision."""

    POLICY = "policy"
    READABILITY = "readability"
    PROVENANCE = "provenance"
    HEAD = "head"
    HUMAN = "human"
    FAULT = "fault"


class Effect(StrEnum):
    """What a tool may do to the world, as its registration declares it."""

    READ = "read"
    WRITE = "write"
    EXEC = "exec"
    NETWORK = "network"
    SEND = "send"
    PAY = "pay"
    IDENTITY = "identity"
    PHYSICAL = "physical"


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """What the model, the gate and the reviewer are told about a tool.

    `effects` is None only for a tool known from elsewhere (a case file) whose effects nobody declared;
    the gate treats it as having effects beyond `read`.
    """

    name: str
    description: str
    effects: frozenset[Effect] | None
    parameters: Mapping[str, Any] = field(default_factory=dict)  # JSON Schema of the arguments

    @property
    def only_reads(self) -> bool:
        """Whether the declared effects are `read` alone."""
        return self.effects == frozenset({Effect.READ})


@dataclass(frozen=True, slots=True)
class Call:
    """One proposed tool call. The arguments are kept as canonical JSON, so that nothing can change them."""

    name: str
    arguments_json: str
    id: str = field(default_factory=new_id)

    @classmethod
    def of(cls, name: str, arguments: Mapping[str, Any], id: str | None = None) -> Call:
        """Build a call from plain values.

        Raises:
            strict_json.NotCanonical: what JSON cannot carry exactly (NaN, an integer beyond 2^53, a lone surrogate).
        """
        return cls(name, canonical(dict(arguments)), id or new_id())

    @property
    def arguments(self) -> dict[str, Any]:
        """A fresh copy of the arguments."""
        value = loads(self.arguments_json)
        assert isinstance(value, dict)
        return value

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of the canonical name and arguments. The id is not part of it."""
        return hashlib.sha256(
            f'{{"arguments":{self.arguments_json},"name":{canonical(self.name)}}}'.encode()
        ).hexdigest()


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation. Tool messages are untrusted."""

    role: Literal["system", "user", "assistant", "tool"]
    content: str
    calls: tuple[Call, ...] = ()  # of an assistant message
    tool: str | None = None  # of a tool message: the tool's name
    call_id: str | None = None  # of a tool message: the call that it answers


@dataclass(frozen=True, slots=True)
class Finding:
    """What one layer says about a proposal, and why."""

    source: Source
    decision: Decision
    reason: str
    rule: str | None = None  # name of the policy rule


@dataclass(frozen=True, slots=True)
class Thresholds:
    """How probabilities become a decision: ALLOW needs `allow`, REFUSE needs `refuse`; what has neither is ESCALATE."""

    allow: float
    refuse: float


@dataclass(frozen=True, slots=True)
class Versions:
    """What decided: digests (SHA-256, hex) of the policy and the head, id of the backbone, version of the rendering."""

    policy: str
    head: str
    backbone: str
    rendering: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """The gate's answer to one proposal, and the whole story of how it came about."""

    decision: Decision
    source: Source
    findings: tuple[Finding, ...]
    digest: str  # of the call, or of the user's turn
    versions: Versions
    probabilities: tuple[float, float, float] | None = None  # (ALLOW, ESCALATE, REFUSE); None: the head gave none
    thresholds: Thresholds | None = None
    ms: float = 0.0

    @property
    def reasons(self) -> tuple[str, ...]:
        """The reasons of the findings that are as strict as the decision."""
        return tuple(f.reason for f in self.findings if f.decision == self.decision)


@dataclass(frozen=True, slots=True)
class Proposal:
    """What is judged: a call in the conversation that led to it, or (`call` is None) the user's last turn on its own.

    `turn` is the verdict on the user turn that the call serves: ESCALATE there is a floor for calls with effects.
    """

    messages: tuple[Message, ...]
    tool: ToolSpec | None = None
    call: Call | None = None
    turn: Verdict | None = None

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of what is judged: the call, or the text of the last user message."""
        if self.call is not None:
            return self.call.digest
        return hashlib.sha256(canonical({"turn": self.user_text}).encode()).hexdigest()

    @property
    def user_text(self) -> str:
        """The text of the last user message, or ''."""
        return next((m.content for m in reversed(self.messages) if m.role == "user"), "")
