"""An item in the list: one row in a wide terminal, two in a narrow one."""

from __future__ import annotations

from datetime import datetime

from so8t.agent.review.card import effects
from so8t.agent.review.cells import column, cut
from so8t.agent.review.times import span
from so8t.audit_db import ReviewItem

NARROW = 64  # cells
AGE, TOOL, EFFECTS, OWNER = 4, 14, 13, 18


def rows(item: ReviewItem, now: datetime, width: int) -> list[str]:
    """Age, tool, effects, who asks, why it waits."""
    if width < NARROW:
        free = width - AGE - 2
        tool = f"{item.tool} ({effects(item)})"
        return [f"{span(item.created, now):>{AGE}}  {cut(tool, free)}", f"{'':{AGE}}  {cut(_asks(item), free)}"]
    fixed = f"{span(item.created, now):>{AGE}}  {column(item.tool, TOOL)}  {column(effects(item), EFFECTS)}  "
    fixed += column(item.owner, OWNER) + "  "
    return [fixed + cut(item.reason, width - AGE - TOOL - EFFECTS - OWNER - 8)]


def heading(width: int) -> str:
    """What stands above the columns of a wide list."""
    if width < NARROW:
        return f"{'age':>{AGE}}  tool (effects), who asks, why"
    return f"{'age':>{AGE}}  {'tool':<{TOOL}}  {'effects':<{EFFECTS}}  {'who asks':<{OWNER}}  why it waits"


def _asks(item: ReviewItem) -> str:
    return f"{cut(item.owner, 14)}: {item.reason}"
