"""The rule of two: harmless calls that together leak.

A conversation that has (a) met content from outside and (b) read local data must not (c) send anything outward without
a person, unless the user's own words give every value that goes out.
"""

from __future__ import annotations

from collections.abc import Mapping

from so8t.gate.contract import Decision, Effect, Finding, Proposal, Source, ToolSpec
from so8t.gate.provenance import Mark

_OUTWARD = frozenset({Effect.SEND, Effect.NETWORK, Effect.PAY, Effect.EXEC})


def judge(proposal: Proposal, marks: tuple[Mark, ...], known: Mapping[str, ToolSpec]) -> tuple[Finding, ...]:
    """The floor ESCALATE where all three meet. `known`: the pinned tools by name."""
    if proposal.call is None or not _goes_out(proposal.tool):
        return ()
    answered = [known.get(m.tool or "") for m in proposal.messages if m.role == "tool"]
    outside = next((t.name for t in answered if t and t.effects and Effect.NETWORK in t.effects), None)
    local = next((t.name for t in answered if t and t.only_reads), None)
    if outside is None or local is None or all(mark.origin == "user" for mark in marks):
        return ()
    reason = (
        f"this conversation has met content from outside ({outside}) and read local data ({local}); "
        f"{proposal.call.name} could carry one out on behalf of the other"
    )
    return (Finding(Source.PROVENANCE, Decision.ESCALATE, reason),)


def _goes_out(tool: ToolSpec | None) -> bool:
    return tool is None or tool.effects is None or bool(tool.effects & _OUTWARD)
