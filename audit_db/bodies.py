"""What is recorded about messages, calls and verdicts, and how messages are read back.

A call's arguments are kept as the canonical JSON text that the digest is made of, not as nested values.
"""

from __future__ import annotations

from typing import Any

from so8t.audit_db.chain import Record
from so8t.audit_db.errors import TrailDamaged
from so8t.audit_db.mask import MaskedText, Masker
from so8t.audit_db.plain import plain
from so8t.gate.contract import Call, Finding, Message, Proposal, ToolSpec, Verdict

Body = dict[str, Any]


def of_call(call: Call, masker: Masker) -> Body:
    """Name and arguments of the call, masked."""
    masked = masker.call(call)
    return {"name": masked.name, "arguments": MaskedText(masked.arguments_json)}


def of_message(message: Message, masker: Masker) -> Body:
    """A message with its calls, masked."""
    calls = [{"id": call.id, **of_call(call, masker)} for call in message.calls]
    return {
        "role": message.role,
        "content": message.content,
        "calls": calls,
        "tool": message.tool,
        "call_id": message.call_id,
    }


def to_message(record: Record) -> Message:
    """The message in a record of kind `message`. Raises TrailDamaged."""
    body = record.body
    try:
        calls = tuple(Call(c["name"], c["arguments"], c["id"]) for c in body["calls"])
        return Message(body["role"], body["content"], calls, body["tool"], body["call_id"])
    except (KeyError, TypeError):
        raise TrailDamaged(f"record {record.seq} is damaged: it holds no message") from None


def of_decision(proposal: Proposal, verdict: Verdict, masker: Masker) -> Body:
    """Everything that explains the verdict later, without asking the gate again."""
    call, turn = proposal.call, proposal.turn
    return {
        "about": "turn" if call is None else "call",
        "call": None if call is None else of_call(call, masker),
        "effects": effects_of(proposal.tool),
        "user_text": proposal.user_text,
        "turn": None if turn is None else {"decision": turn.decision.name, "source": turn.source},
        "digest": digest_of(proposal, masker),
        **of_verdict(verdict),
    }


def of_verdict(verdict: Verdict) -> Body:
    """The verdict itself; its decision stands in a field of the record."""
    thresholds, versions = verdict.thresholds, verdict.versions
    return {
        "source": verdict.source,
        "findings": [_of_finding(finding) for finding in verdict.findings],
        "probabilities": verdict.probabilities,
        "thresholds": None if thresholds is None else {"allow": thresholds.allow, "refuse": thresholds.refuse},
        "versions": {name: getattr(versions, name) for name in ("policy", "head", "backbone", "rendering")},
        "ms": verdict.ms,
    }


def digest_of(proposal: Proposal, masker: Masker) -> str:
    """Digest of what is judged as it is stored: masked, so that the digest cannot be used to guess a secret."""
    if proposal.call is not None:
        return masker.call(proposal.call).digest
    return Proposal((Message("user", masker.text(plain(proposal.user_text))),)).digest


def effects_of(tool: ToolSpec | None) -> list[str] | None:
    """The declared effects, sorted."""
    return None if tool is None or tool.effects is None else sorted(tool.effects)


def _of_finding(finding: Finding) -> Body:
    return {
        "source": finding.source,
        "decision": finding.decision.name,
        "reason": finding.reason,
        "rule": finding.rule,
    }
