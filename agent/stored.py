"""What the trail holds, as proposals again: what was judged, in the conversation that led to it, and what people said.

Texts are as the trail has them: secrets are masked. A tool's description is not recorded; it is taken from the tools
that there are now.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from so8t.audit_db import Record, Trail
from so8t.audit_db.bodies import to_message
from so8t.audit_db.chain import timestamp
from so8t.audit_db.errors import TrailDamaged
from so8t.gate.contract import Call, Decision, Effect, Message, Proposal, ToolSpec

FORGOTTEN = "new conversation"  # the event of a session that begins its conversation anew


@dataclass(frozen=True, slots=True)
class Reviewed:
    """What a person decided about a call."""

    record: Record
    approved: bool

    @property
    def reviewer(self) -> str:
        """Who."""
        return str(self.record.body.get("reviewer") or "")

    @property
    def reason(self) -> str:
        """In their words; perhaps none."""
        return str(self.record.body.get("reviewer_reason") or "")


@dataclass(frozen=True, slots=True)
class Stored:
    """One decision of the gate."""

    record: Record
    proposal: Proposal  # without its turn's verdict
    under_a_turn: bool  # the call served a user's turn that was judged, too

    @property
    def decision(self) -> Decision:
        """What the gate said then, whatever a person's grant made of it."""
        granted = self.record.body.get("grant")
        return Decision[granted["gate"]["decision"] if granted else self.record.decision or "REFUSE"]


def stored(
    trail: Trail, tools: Mapping[str, ToolSpec], *, session: str | None = None, since: datetime | None = None
) -> Iterator[Stored]:
    """Every decision with its conversation, oldest first. Raises TrailError."""
    start = None if since is None else timestamp(since)
    spoken: dict[str, list[Message]] = {}  # by session
    for record in trail.records(session=session):
        if record.kind == "message":
            spoken.setdefault(record.session, []).append(to_message(record))
        elif record.kind == "session" and record.body.get("event") in (FORGOTTEN, "end"):
            spoken.pop(record.session, None)
        elif record.kind == "decision" and (start is None or record.at >= start):
            yield _stored(record, spoken.get(record.session, ()), tools)


def reviews(trail: Trail) -> dict[str, Reviewed]:
    """By the call's id: what a person decided about it as it was proposed, the last word on it.

    What expired, was cancelled or waits again is not among them, nor what was edited: that is another call.
    """
    found: dict[str, Reviewed] = {}
    edited = set()
    for record in trail.records(kind="review"):
        body = record.body
        if body.get("event") == "edited":
            edited.add(record.subject)
        elif body.get("event") == "reopened":
            found.pop(record.subject, None)
        elif body.get("from") == "pending" and body.get("state") in ("approved", "refused"):
            found[record.subject] = Reviewed(record, body["state"] == "approved")
    return {subject: review for subject, review in found.items() if subject not in edited}


def _stored(record: Record, spoken: Sequence[Message], tools: Mapping[str, ToolSpec]) -> Stored:
    try:
        return Stored(record, _proposal(record, spoken, tools), under_a_turn=record.body["turn"] is not None)
    except (KeyError, TypeError, ValueError):
        raise TrailDamaged(f"record {record.seq} is damaged: it holds no decision") from None


def _proposal(record: Record, spoken: Sequence[Message], tools: Mapping[str, ToolSpec]) -> Proposal:
    body = record.body
    if body["call"] is None:
        return Proposal((*spoken, Message("user", body["user_text"])))
    call = Call(body["call"]["name"], body["call"]["arguments"], record.subject)
    at = next((n for n, m in enumerate(spoken) if any(c.id == call.id for c in m.calls)), len(spoken))
    known = tools.get(call.name) or ToolSpec(call.name, "", None)
    effects = None if body["effects"] is None else frozenset(map(Effect, body["effects"]))
    return Proposal(tuple(spoken[:at]), replace(known, effects=effects), call)
