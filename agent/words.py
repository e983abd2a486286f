"""What the model is told about its calls. so8t-mini is trained on these very forms."""

from __future__ import annotations

from so8t.agent.engines import ProposedCall
from so8t.audit_db import ReviewItem
from so8t.gate.contract import Call, Message, Verdict
from so8t.tools import Outcome

NO_WORKAROUND = "do not work around this; offer a safer way or ask the user"


def _tool(call: Call, content: str) -> Message:
    return Message("tool", content, tool=call.name, call_id=call.id)


def result(call: Call, outcome: Outcome) -> Message:
    """The output itself; anything but success says so first."""
    return _tool(call, outcome.output if outcome.status == "done" else f"{outcome.status}: {outcome.output}")


def waiting(call: Call, verdict: Verdict) -> Message:
    """The call waits for a reviewer. The reasons are for people, not for the model to argue with."""
    return _tool(call, f"waiting: needs review ({call.id})")


def refused(call: Call, verdict: Verdict) -> Message:
    """The gate said no."""
    return _tool(call, f"refused: {'; '.join(verdict.reasons)} ({NO_WORKAROUND})")


def not_approved(call: Call, item: ReviewItem) -> Message:
    """A reviewer said no, or nobody decided in time."""
    reason = item.reviewer_reason or "no reason given"
    return _tool(call, f"{item.state}: {reason}" if item.state == "refused" else f"error: the review was {item.state}")


def edited(call: Call, said: Message) -> Message:
    """What came of a call whose arguments a reviewer changed: the model must not think that its own ran."""
    return _tool(call, f"the reviewer changed the arguments to {call.arguments_json}; result: {said.content}")


def edit_notice(call: Call, item: ReviewItem) -> str:
    """The same for the user."""
    return f"{item.edited_by} changed the arguments of {call.name} ({call.id}) to {call.arguments_json}"


def invalid(call: Call, error: str) -> Message:
    """The proposal was no valid call."""
    return _tool(call, f"error: {error}")


def stopped(call: Call) -> Message:
    """The turn ended before the result was known."""
    return _tool(call, "error: the turn was stopped before this call's result was known")


def stand_in(proposed: ProposedCall) -> Call:
    """A call that stands in the conversation for one that cannot be read."""
    text = proposed.arguments.encode("utf-8", "replace").decode()
    return Call.of(proposed.name.encode("utf-8", "replace").decode()[:64], {"unreadable": text[:2000]})
