"""Points in time as a reviewer reads them."""

from __future__ import annotations

from datetime import UTC, datetime


def clock(moment: datetime) -> str:
    """In UTC, to the second."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def span(start: datetime, end: datetime) -> str:
    """How long from `start` to `end`, in the largest unit that fits: 45s, 3m, 5h, 2d. Never less than nothing."""
    seconds = max(0, int((end - start).total_seconds()))
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"
