"""What the queue keeps of a call when it is submitted, and whether it may wait there at all."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, select

from so8t.audit_db import bodies
from so8t.audit_db.chain import check, of_row
from so8t.audit_db.errors import SubmitRefused
from so8t.audit_db.mask import MaskedText, Masker
from so8t.audit_db.plain import plain
from so8t.audit_db.schema import record, review_item
from so8t.gate.contract import Call, Decision, ToolSpec, Verdict
from so8t.gate.strict_json import canonical


def columns(
    masker: Masker, session: str, owner: str, call: Call, tool: ToolSpec, verdict: Verdict, user_text: str
) -> dict[str, Any]:
    """The columns of the item that never change, masked."""
    masked, effects = masker.call(call), bodies.effects_of(tool)
    texts = {"session": session, "owner": owner, "reason": "; ".join(verdict.reasons), "user_text": user_text}
    found = masker.value(plain(texts)) | {
        "id": call.id,
        "tool": masked.name,
        "effects": None if effects is None else canonical(effects),
        "arguments": masked.arguments_json,
        "masked": int(masked.digest != call.digest),
        "digest": masked.digest,
        "verdict": verdict_json(masker, verdict),
    }
    # The row and the record must hold the same text, and the digest was made of these arguments.
    return {name: MaskedText(value) if isinstance(value, str) else value for name, value in found.items()}


def verdict_json(masker: Masker, verdict: Verdict) -> str:
    """The whole verdict as canonical JSON, masked."""
    return canonical(masker.value(plain({"decision": verdict.decision.name, **bodies.of_verdict(verdict)})))


def may_wait(conn: Connection, call: Call, verdict: Verdict, digest: str) -> None:
    """Raises SubmitRefused unless the trail holds an ESCALATE for exactly this call, and it is not in the queue yet."""
    query = select(record).where(record.c.subject == call.id, record.c.kind == "decision")
    found = conn.execute(query).one_or_none()
    if verdict.decision is not Decision.ESCALATE or found is None or found.decision != Decision.ESCALATE.name:
        raise SubmitRefused(
            f"the call {call.id} of {call.name} has no ESCALATE in the trail: record the decision first"
        )
    if check(conn, of_row(found)).body["digest"] != digest:
        raise SubmitRefused(f"the call {call.id} of {call.name} is not the one that was decided")
    if conn.scalar(select(review_item.c.id).where(review_item.c.id == call.id)):
        raise SubmitRefused(f"the call {call.id} of {call.name} waits in the queue already")
