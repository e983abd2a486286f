"""Draws the state: a picture of exactly so many rows, none wider than the screen."""

from __future__ import annotations

from datetime import datetime

from so8t.agent.review.card import card
from so8t.agent.review.cells import cut, wrap
from so8t.agent.review.rows import heading, rows
from so8t.agent.review.state import Mode, State
from so8t.agent.terminal import one_line

Row = tuple[str, str]  # style, safe text

STYLES = {
    "title": "reverse",
    "name": "bold",
    "selected": "reverse",
    "dim": "ansibrightblack",
    "warn": "ansiyellow bold",
    "ask": "ansired bold",
}
HELP = """\
A call waits here because the gate did
not allow it. Approved, it runs once.

j Down    the next call
k Up      the call before
PageDown  more of the call, also Space
PageUp    back, also b
a         approve: asks for y, and
          Enter never approves
r         refuse: asks for a reason
?         this page
q         leave; all goes on waiting

│ and ┆ stand before text from outside,
‹U+202E› for a character that hides."""

KEYS = {
    Mode.BROWSE: "a approve  r refuse  j/k move  PgUp/PgDn scroll  ? help  q quit",
    Mode.HELP: "any key: back",
    Mode.APPROVE: "y: let it run once  any other key: no",
    Mode.REFUSE: "Enter: refuse  Esc: leave it waiting",
    Mode.BUSY: "the decision is being written ...",
}


def frame(state: State, now: datetime, width: int, height: int) -> list[Row]:
    """The rows of the screen, from the top. Sets the state's scroll position and what was shown."""
    foot = _foot(state, width)
    head: list[Row] = [("class:title", _title(state, width))]
    if state.help:
        body: list[Row] = [("", row) for line in HELP.split("\n") for row in wrap(line, width)]
    else:
        head += _list(state, now, width, max(2, (height - len(foot)) // 3))
        body = _detail(state, now, width, max(1, height - len(head) - len(foot) - 1))
    body = body[: max(0, height - len(head) - len(foot))]
    return [*head, *body, *[("", "")] * (height - len(head) - len(body) - len(foot)), *foot]


def _title(state: State, width: int) -> str:
    text = cut(f" so8t review: {len(state.items)} waiting, reviewer {state.reviewer}", width)
    return text.ljust(width)


def _list(state: State, now: datetime, width: int, height: int) -> list[Row]:
    if not state.items:
        return []
    drawn = [("class:dim", "  " + heading(width - 2))]
    size = len(rows(state.items[0], now, width - 2))
    fitting = max(1, (height - 1) // size)
    first = max(0, min(state.index - fitting // 2, len(state.items) - fitting))
    for item in state.items[first : first + fitting]:
        chosen = item.id == state.selected
        for number, row in enumerate(rows(item, now, width - 2)):
            drawn.append(("class:selected" if chosen else "", f"{'>' if chosen and not number else ' '} {row}"))
    return drawn


def _detail(state: State, now: datetime, width: int, height: int) -> list[Row]:
    shown = [(line.style, row) for line in card(state.detail, now) for row in line.rows(width)] if state.detail else []
    state.length, state.page = len(shown), height
    state.scroll = max(0, min(state.scroll, len(shown) - height))
    end = min(len(shown), state.scroll + height)
    if state.scroll <= state.bottom:  # rows that were jumped over do not count as shown
        state.bottom = max(state.bottom, end)
    return [("class:dim", _rule(state, end, width)), *(shown[state.scroll : end] or _nothing(state, width))]


def _rule(state: State, end: int, width: int) -> str:
    if not state.length:
        return "-" * width
    more = f", {state.length - end} more below" if end < state.length else ""
    return f"-- rows {state.scroll + 1}-{end} of {state.length}{more} ".ljust(width, "-")[:width]


def _nothing(state: State, width: int) -> list[Row]:
    if state.problem:
        return [("class:warn", row) for row in wrap(one_line(state.problem, 2000), width)]
    text = "reading ..." if state.items else "No call waits. The list looks again every second."
    return [("class:dim", row) for row in wrap(text, width)]


def _foot(state: State, width: int) -> list[Row]:
    lines: list[Row] = []
    question = state.question
    if question is not None and state.mode is not Mode.BUSY:
        verb = "APPROVE" if question.kind is Mode.APPROVE else "REFUSE"
        start = f"{verb} {question.item.digest[:12]} "
        lines.append(("class:ask", start + cut(question.item.tool, width - len(start) - 2) + " ?"))
        if question.kind is Mode.APPROVE and state.bottom < state.length:
            lines.append(("class:warn", f"{state.length - state.bottom} of its {state.length} rows not shown yet"))
    if state.notice:
        lines += [("class:warn", row) for row in list(wrap(one_line(state.notice, 400), width))[:4]]
    return [*lines, *(("class:dim", row) for row in wrap(KEYS[state.mode], width))]
