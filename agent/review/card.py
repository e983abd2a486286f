"""Everything a reviewer must know about one call, as lines that are safe for a terminal.

Text from outside stands behind a gutter: │ begins a line, ┆ goes on with it. Nothing in it can pass for words of ours.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from so8t.agent.review.cells import cells, wrap
from so8t.agent.review.hosts import hosts
from so8t.agent.review.pretty import layout, squeeze
from so8t.agent.review.times import clock, span
from so8t.agent.terminal import one_line, safe
from so8t.audit_db import ReviewItem
from so8t.gate.contract import Decision

FIRST, REST = "│ ", "┆ "  # the gutter
LABEL = 9  # cells
WARN = "class:warn"


@dataclass(frozen=True, slots=True)
class Line:
    """One line in parts that each begin a new row; `label` is ours, `parts` are safe text."""

    parts: tuple[str, ...]
    label: str = ""
    style: str = ""

    def rows(self, width: int | None) -> tuple[str, ...]:
        """As rows of at most `width` cells; None: of any length."""
        return _rows(self, width)


@lru_cache(maxsize=8192)  # a screen is drawn often, and a call may be long
def _rows(line: Line, width: int | None) -> tuple[str, ...]:
    head = f"{line.label:<{LABEL}}" if line.label else FIRST
    later = " " * (LABEL - len(REST)) + REST if line.label else REST
    room = None if width is None else max(8, width - max(cells(head), cells(later)))
    texts = [text for part in line.parts for text in ([part] if room is None else wrap(part, room))]
    return tuple(((later if number else head) + text).rstrip(" ") for number, text in enumerate(texts))


def card(item: ReviewItem, now: datetime) -> tuple[Line, ...]:
    """The lines of an item: the call first, then why it waits, who asks, and when."""
    return (*_call(item), *_user(item), *_verdict(item), *_frame(item, now))


def effects(item: ReviewItem) -> str:
    """The declared effects, or that nobody declared them."""
    return "unknown" if item.effects is None else ", ".join(item.effects) or "none"


def _call(item: ReviewItem) -> Iterator[Line]:
    yield _labelled("tool", item.tool, "class:name")
    yield _labelled("effects", effects(item), WARN if item.effects is None else "")
    size = len(item.arguments_json.encode("utf-8", "surrogatepass"))
    yield Line((f"{size:,} bytes, exactly as stored:",), "call")
    yield from _arguments(item.arguments_json)
    yield Line((item.digest,), "digest")
    if item.edited_by:
        yield _labelled("EDITED", f"by {item.edited_by}; the model proposed:", WARN)
        yield from _arguments(item.proposed_json)
    if item.masked:
        yield Line(("a secret is masked: only the session that asked can run this call",), "masked", WARN)
    for written, looked_up in hosts(item.arguments_json).items():
        if written != looked_up:
            yield _labelled("HOST", f"{written} is {looked_up}", WARN)


@lru_cache(maxsize=4)
def _arguments(text: str) -> tuple[Line, ...]:
    return tuple(Line(tuple(safe(part, lines=False) for part in line)) for line in layout(text))


def _user(item: ReviewItem) -> Iterator[Line]:
    yield Line(("the user's last words:",), "user")
    for text in squeeze(item.user_text).split("\n"):
        yield Line((safe(text, lines=False),))


def _verdict(item: ReviewItem) -> Iterator[Line]:
    verdict: Mapping[str, Any] = item.edited_verdict or item.verdict
    yield _labelled("why", item.reason)
    yield _labelled("verdict", f"{verdict['decision']} by {verdict['source']}")
    if verdict["probabilities"]:
        shares = zip(Decision.__members__, verdict["probabilities"], strict=True)
        yield _labelled("head", ", ".join(f"{name} {share:.3f}" for name, share in shares))
    if verdict["thresholds"]:
        limits = (f"{name.upper()} needs {limit:.3f}" for name, limit in verdict["thresholds"].items())
        yield _labelled("limits", ", ".join(limits))
    for finding in verdict["findings"]:
        rule = f", rule {finding['rule']}" if finding["rule"] else ""
        yield _labelled("finding", f"{finding['decision']} ({finding['source']}{rule}): {finding['reason']}")
    yield _labelled("by", ", ".join(f"{name} {_short(value)}" for name, value in verdict["versions"].items()))


def _frame(item: ReviewItem, now: datetime) -> Iterator[Line]:
    yield _labelled("asks", item.owner)
    yield _labelled("id", f"{item.id}, session {item.session}")
    yield _labelled("created", f"{clock(item.created)}, {span(item.created, now)} ago")
    left = f"in {span(now, item.expires)}" if item.expires > now else "its time is over"
    yield _labelled("expires", f"{clock(item.expires)}, {left}")
    yield _labelled("state", item.state)
    if item.claimed_by and item.claim_expires:
        until = f"until {clock(item.claim_expires)}" if item.held(now) else "but the claim ran out"
        yield _labelled("claimed", f"by {item.claimed_by} {until}")
    if item.decided_at is not None:
        who = f"by {item.reviewer} " if item.reviewer else ""
        why = f": {item.reviewer_reason}" if item.reviewer_reason else ""
        yield _labelled("decided", f"{who}{clock(item.decided_at)}{why}")


def _labelled(label: str, text: str, style: str = "") -> Line:
    return Line((one_line(squeeze(text), 100_000),), label, style)


def _short(value: Any) -> str:
    text = str(value)
    return text[:12] if len(text) == 64 else text
