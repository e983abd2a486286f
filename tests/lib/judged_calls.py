"""One tool and what the gate says of a call of it, for tests and the programs that they start."""

from __future__ import annotations

from so8t.gate.contract import Call, Decision, Effect, Finding, Message, Proposal, Source, ToolSpec, Verdict, Versions

TOOL = ToolSpec("write_file", "Writes a file.", frozenset({Effect.WRITE}))


def verdict(call: Call, decision: Decision, reason: str = "so it is") -> Verdict:
    """By the head."""
    finding = Finding(Source.HEAD, decision, reason)
    return Verdict(decision, Source.HEAD, (finding,), call.digest, Versions("p", "h", "b", "1"), (0.3, 0.6, 0.1))


def proposal(call: Call, words: str = "write", tool: ToolSpec = TOOL) -> Proposal:
    """The call after one message of the user."""
    return Proposal((Message("user", words),), tool, call)
