"""What happens in a conversation, as values: the chat draws them, `so8t run --json` prints them.

`as_json` gives every event a `kind`, the names of the fields being those of the classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from so8t.gate.contract import Call, Verdict
from so8t.tools import Outcome


@dataclass(frozen=True, slots=True)
class TurnJudged:
    """The gate decided about the user's turn."""

    id: str
    text: str
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class Answered:
    """The model's text is complete (it may be empty when it only calls)."""

    text: str


@dataclass(frozen=True, slots=True)
class CallInvalid:
    """The model proposed something that is no valid call; it is told so."""

    call: Call
    error: str


@dataclass(frozen=True, slots=True)
class CallJudged:
    """The gate decided about a call. ESCALATE: it waits in the queue under the call's id."""

    call: Call
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class CallFinished:
    """An allowed call ended, one way or another."""

    call: Call
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Reviewed:
    """A waiting call was decided. `state`: approved, refused, expired or cancelled."""

    id: str
    tool: str
    state: str
    reviewer: str
    reason: str


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that the user should know: a budget is used up, old messages did not fit."""

    text: str


@dataclass(frozen=True, slots=True)
class Failed:
    """The turn ended early. The text says what to do."""

    text: str


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The user stopped the turn."""


@dataclass(frozen=True, slots=True)
class TurnEnded:
    """The turn is over; the program waits for the user."""


Event = (
    TurnJudged
    | Delta
    | Answered
    | CallInvalid
    | CallJudged
    | CallFinished
    | Reviewed
    | Notice
    | Failed
    | Cancelled
    | TurnEnded
)

_KINDS: dict[type[Any], str] = {
    TurnJudged: "turn",
    Delta: "delta",
    Answered: "answer",
    CallInvalid: "invalid",
    CallJudged: "verdict",
    CallFinished: "outcome",
    Reviewed: "review",
    Notice: "notice",
    Failed: "failed",
    Cancelled: "cancelled",
    TurnEnded: "end",
}


def as_json(event: Event) -> dict[str, Any]:
    """The event as plain JSON values, with `kind` first."""
    fields = {name: _plain(getattr(event, name)) for name in event.__dataclass_fields__}
    return {"kind": _KINDS[type(event)], **fields}


def verdict_json(verdict: Verdict) -> dict[str, Any]:
    """A verdict as plain JSON values."""
    limits = verdict.thresholds
    return {
        "decision": verdict.decision.name,
        "source": verdict.source.value,
        "reasons": list(verdict.reasons),
        "probabilities": list(verdict.probabilities) if verdict.probabilities else None,
        "thresholds": {"allow": limits.allow, "refuse": limits.refuse} if limits else None,
        "ms": round(verdict.ms, 2),
    }


def _plain(value: Any) -> Any:
    match value:
        case Verdict():
            return verdict_json(value)
        case Call():
            return {"id": value.id, "name": value.name, "arguments": value.arguments, "digest": value.digest}
        case Outcome():
            return {name: getattr(value, name) for name in value.__dataclass_fields__}
        case _:
            return value
