"""The story of one decision, told from its records: `so8t why ID` and `/why ID`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from so8t.agent.terminal import one_line
from so8t.audit_db import Record


def story_lines(records: Sequence[Record]) -> Iterator[str]:
    """One or more lines a record, oldest first, safe for a terminal."""
    for record in records:
        yield f"{record.at[:19]}Z  #{record.seq}  {record.kind}"
        for line in _told(record):
            yield f"    {one_line(line, 1000)}"


def _told(record: Record) -> Iterator[str]:
    body = record.body
    match record.kind:
        case "message":
            yield f"{body['role']}: {body['content']}" if body["content"] else f"{body['role']} (no text)"
            for call in body["calls"]:
                yield f"calls {call['name']} {call['arguments']} ({call['id']})"
        case "decision":
            yield from _decision(record, body)
        case "invalid":
            yield f"{body['name']} {body['arguments']}"
            yield body["error"]
        case "intent":
            yield f"about to run, allowed by {body['source']}" + (
                f" ({body['reviewer']})" if "reviewer" in body else ""
            )
        case "outcome":
            yield f"{body['status']} after {body['ms']:.0f} ms{' (output cut)' if body['truncated'] else ''}"
            yield body["output"]
        case "review":
            yield from _review(body)
        case "session" if record.subject.startswith("grant-"):
            yield from _grant(body)
        case _:
            yield ", ".join(f"{key}: {value}" for key, value in body.items())


def _decision(record: Record, body: dict[str, Any]) -> Iterator[str]:
    about = (
        f"{body['call']['name']} {body['call']['arguments']}"
        if body["call"]
        else f"the user's turn: {body['user_text']}"
    )
    yield about
    if body["effects"] is not None:
        yield f"effects: {', '.join(body['effects'])}"
    yield f"{record.decision} by {body['source']} in {body['ms']:.0f} ms, digest {body['digest']}"
    for finding in body["findings"]:
        rule = f" (rule {finding['rule']})" if finding["rule"] else ""
        yield f"{finding['decision']} {finding['source']}{rule}: {finding['reason']}"
    if granted := body.get("grant"):
        yield f"let pass by {granted['id']} of {granted['by']}, {_use(granted)}; the gate alone said " + " by ".join(
            (granted["gate"]["decision"], granted["gate"]["source"])
        )
    if body["probabilities"]:
        yield "probabilities: " + ", ".join(
            f"{name} {p:.3f}" for name, p in zip(("ALLOW", "ESCALATE", "REFUSE"), body["probabilities"], strict=True)
        )
    if body["thresholds"]:
        yield "thresholds: " + ", ".join(f"{name} {value:.3f}" for name, value in body["thresholds"].items())
    yield "versions: " + ", ".join(f"{name} {_short(value)}" for name, value in body["versions"].items())


def _review(body: dict[str, Any]) -> Iterator[str]:
    if body.get("event") == "submitted":
        yield f"waits for a reviewer until {body['item']['expires'][:19]}Z"
        return
    who = f" by {body['reviewer']}" if body.get("reviewer") else ""
    why = f": {body['reviewer_reason']}" if body.get("reviewer_reason") else ""
    yield f"{body.get('state') or body.get('event')}{who}{why}"
    if "edited_arguments" in body:
        yield f"arguments now: {body['edited_arguments']}" if body["event"] == "edited" else body["edited_arguments"]
        yield f"the gate says {json.loads(body['edited_verdict'])['decision']}, digest {body['edited_digest']}"
    if body.get("until"):
        yield f"until {body['until'][:19]}Z, token {body['token']}"
    if body.get("expires"):
        yield f"waits until {body['expires'][:19]}Z"


def _grant(body: dict[str, Any]) -> Iterator[str]:
    match body["event"]:
        case "granted":
            made = body["grant"]
            yield f"{made['made_by']} lets calls of {made['tool']} pass, {_bounds(made)}"
            yield f"arguments: {made['arguments']}"
            yield f"for the agents of {made['owner']}"
        case "grant used":
            yield f"use {body['use']}: the call {body['call']}, digest {body['digest']}"
        case _:
            yield f"revoked by {body['by']}"


def _bounds(made: dict[str, Any]) -> str:
    session = f"in the session {made['session']}, " if made["session"] else ""
    until = f"until {made['until'][:19]}Z, " if made["until"] else ""
    times = "any number of times" if made["times"] is None else f"{made['times']} times at most"
    return f"{session}{until}{times}"


def _use(granted: dict[str, Any]) -> str:
    return f"use {granted['use']}" + ("" if granted["times"] is None else f" of {granted['times']}")


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    name, _, digest = text.rpartition(":")
    return f"{name}:{digest[:12]}" if name else text[:24]
