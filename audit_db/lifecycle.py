"""The life of a review item: which record may follow which, and what each one makes of the item's columns.

The same `step` writes the table and proves it: an item is sound where its records, oldest first, make the same columns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from so8t.audit_db.chain import Record

Columns = dict[str, Any]

NEXT: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        "pending": frozenset({"approved", "refused", "expired", "cancelled"}),
        "approved": frozenset({"executing", "expired", "cancelled"}),
        "executing": frozenset({"done", "unknown"}),
    }
)
"""Which state may follow which. `refused` and `expired` can be reopened; the others that are no keys are final."""

REOPENED_FROM: Final = frozenset({"refused", "expired"})

FROZEN: Final = (
    "id",
    "session",
    "owner",
    "tool",
    "effects",
    "arguments",
    "masked",
    "digest",
    "reason",
    "verdict",
    "user_text",
    "created",
)
"""Columns that never change: the record of the submission holds them all."""

DECIDED: Final = ("reviewer", "reviewer_reason", "decided_at")
EDITED: Final = ("edited_arguments", "edited_digest", "edited_by", "edited_verdict")

CHANGING: Final = (
    "state",
    "expires",
    *DECIDED,
    *EDITED,
    "effective_arguments",
    "changed_seq",
    "reopened_seq",
    "acknowledged_seq",
    "claimed_by",
    "claim_expires",
    "claim_token",
)
"""Columns that the later review records set."""

_UNCLAIMED: Final[Mapping[str, Any]] = MappingProxyType({"claimed_by": None, "claim_expires": None})


def replay(records: Sequence[Record]) -> Columns:
    """The columns of an item as its review records, oldest first, made them; {} where they are no lawful story."""
    row: Columns = {}
    for found in records:
        row = step(row, found)
        if not row:
            return {}
    return row


def step(row: Columns, found: Record) -> Columns:
    """The columns after one more record; {} where it cannot follow. Raises TrailDamaged."""
    body = found.body
    event = body.get("event")
    if not row:
        return _submitted(found, body["item"]) if event == "submitted" and isinstance(body.get("item"), dict) else {}
    match event:
        case "state" if body.get("from") == row["state"] and body.get("state") in NEXT.get(row["state"], ()):
            return row | _state(row, found, body)
        case "reopened" if row["state"] in REOPENED_FROM and body.get("from") == row["state"]:
            return row | _reopened(found, body)
        case "acknowledged" if row["acknowledged_seq"] is None:
            return row | {"acknowledged_seq": found.seq}
        case "edited" if row["state"] == "pending":
            return row | {name: body.get(name) for name in EDITED}
        case "edit refused" if row["state"] == "pending":
            return row
        case "claimed" | "renewed" | "released" if row["state"] == "pending":
            return _claim(row, event, body)
    return {}


def _submitted(found: Record, item: Mapping[str, Any]) -> Columns:
    first = {"state": "pending", "submitted_seq": found.seq, "changed_seq": found.seq, "claim_token": 0}
    return dict.fromkeys(CHANGING) | dict(item) | first


def _state(row: Columns, found: Record, body: Mapping[str, Any]) -> Columns:
    after: Columns = {"state": body["state"], "changed_seq": found.seq}
    if row["state"] == "pending":
        after |= {"reviewer": body.get("reviewer"), "reviewer_reason": body.get("reviewer_reason")}
        after |= {"decided_at": found.at, **_UNCLAIMED}
    if body["state"] == "executing":
        after["effective_arguments"] = current(row, "arguments")
    return after


def _reopened(found: Record, body: Mapping[str, Any]) -> Columns:
    fresh: Columns = dict.fromkeys((*DECIDED, "acknowledged_seq"))
    return fresh | {
        "state": "pending",
        "expires": body.get("expires"),
        "changed_seq": found.seq,
        "reopened_seq": found.seq,
    }


def _claim(row: Columns, event: str, body: Mapping[str, Any]) -> Columns:
    token = row["claim_token"] + (event == "claimed")
    if body.get("token") != token:
        return {}
    if event == "claimed":
        return row | {"claimed_by": body.get("reviewer"), "claim_expires": body.get("until"), "claim_token": token}
    if row["claimed_by"] is None or body.get("reviewer") != row["claimed_by"]:
        return {}
    return row | (dict(_UNCLAIMED) if event == "released" else {"claim_expires": body.get("until")})


def current(row: Mapping[str, Any], name: str) -> Any:
    """The `arguments` or the `digest` that a decision would be about: as edited, else as proposed."""
    edited = row[f"edited_{name}"]
    return row[name] if edited is None else edited
