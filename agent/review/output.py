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
from so8t.agent.review.times import span
from so8t.agent.terminal import one_line
from so8t.audit_db import ReviewItem


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
    times = {name: plain[name] and plain[name].isoformat() for name in ("created", "expires", "decided_at")}
    return plain | {"arguments": arguments, "verdict": dict(item.verdict)} | times
