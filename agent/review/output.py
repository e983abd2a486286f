"""Items as the commands print them."""

from __future__ import annotations

import json
import shutil
import sys
from datetime import datetime
from typing import Any

from so8t.agent.review.card import card, effects
from so8t.agent.review.cells import column
from so8t.agent.review.desk import ItemsDamaged
from so8t.agent.review.times import clock, span
from so8t.agent.terminal import one_line
from so8t.audit_db import Figures, ReviewItem

TIMES = ("created", "expires", "decided_at", "claim_expires")


def item_line(item: ReviewItem, now: datetime) -> str:
    """One line of the list."""
    late = item.state == "pending" and item.expires <= now
    parts = (
        item.id,
        f"{span(item.created, now):>4}",
        f"{'overdue' if late else item.state:<9}",
        column(item.tool, 16),
        column(effects(item), 14),
        column(item.owner, 24),
        one_line(item.reason, 100),
    )
    return "  ".join(parts)


def item_text(item: ReviewItem, now: datetime) -> str:
    """The whole item; in a terminal no row is left to the terminal to wrap."""
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    return "\n".join(row for line in card(item, now) for row in line.rows(width))


def item_json(item: ReviewItem) -> dict[str, Any]:
    """The item as plain JSON values. `arguments_json` is the exact text that the digest is made of.

    Raises:
        ItemsDamaged: somebody edited the arguments by hand.
    """
    try:
        arguments = json.loads(item.arguments_json)
    except ValueError as error:
        raise ItemsDamaged(f"the arguments of {item.id} are damaged ({error}); run: so8t audit verify") from None
    plain = {name: getattr(item, name) for name in item.__slots__}
    times = {name: plain[name] and plain[name].isoformat() for name in TIMES}
    return plain | {"arguments": arguments, "verdict": dict(item.verdict)} | times


def history_line(item: ReviewItem) -> str:
    """One line about a decision: id, when, what became of it, the tool, who decided and why."""
    assert item.decided_at is not None
    edited = f" (edited by {one_line(item.edited_by, 40)})" if item.edited_by else ""
    who = one_line(item.reviewer, 40) if item.reviewer else "-"
    tool = column(item.tool, 16)
    why = one_line(item.reviewer_reason or "", 100)
    return f"{one_line(item.id, 40)}  {clock(item.decided_at)}  {item.state:<9}  {tool}  {who}{edited}  {why}".rstrip()


def figures_line(found: Figures, now: datetime) -> str:
    """What waits and what it costs, in one line."""
    oldest = f", the oldest for {span(found.oldest, now)}" if found.oldest else ""
    if found.median is None or found.share_approved_unchanged is None:
        return f"{found.waiting} waiting{oldest}; nobody decided anything yet"
    share = f"{found.share_approved_unchanged:.0%} approved unchanged"
    return f"{found.waiting} waiting{oldest}; {found.decided} decided, median {span(now, now + found.median)}, {share}"


def figures_json(found: Figures, now: datetime) -> dict[str, Any]:
    """The same as plain JSON values; times in seconds."""
    return {
        "waiting": found.waiting,
        "oldest_seconds": found.oldest and max(0.0, (now - found.oldest).total_seconds()),
        "decided": found.decided,
        "median_seconds": None if found.median is None else found.median.total_seconds(),
        "approved": found.approved,
        "approved_unchanged": found.approved_unchanged,
        "share_approved_unchanged": found.share_approved_unchanged,
    }
