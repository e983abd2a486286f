"""Draws events. Nothing from outside reaches the terminal unescaped."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

from so8t.agent import events
from so8t.agent.terminal import one_line, safe
from so8t.gate.contract import Call, Decision, Verdict

Fragments = list[tuple[str, str]]
FOLD = 12  # lines of a result that are shown at once

STYLES = {
    "allow": "ansigreen",
    "escalate": "ansiyellow",
    "refuse": "ansired",
    "dim": "ansibrightblack",
    "name": "bold",
    "error": "ansired",
}
COLOURS = {Decision.ALLOW: "class:allow", Decision.ESCALATE: "class:escalate", Decision.REFUSE: "class:refuse"}


class View:
    """Turns events into lines. `write` prints styled fragments; `live` says whether half lines may be printed."""

    def __init__(self, write: Callable[[Fragments, str], None]) -> None:
        self._write = write
        self.live = True
        self._streamed = False

    def show(self, event: events.Event) -> None:
        """Draw one event."""
        match event:
            case events.TurnJudged(_, _, verdict):
                self._turn(verdict, event.id)
            case events.Delta(text):
                self._delta(text)
            case events.Answered(text):
                self._answer(text)
            case events.CallInvalid(call, error):
                self.line(
                    ("class:error", "  ✗ "), ("", f"{one_line(call.name, 40)}: not a valid call: {one_line(error)}")
                )
            case events.CallJudged(call, verdict):
                self._card(call, verdict)
            case events.CallFinished(call, outcome):
                self._outcome(call, outcome)
            case events.Reviewed():
                who = f" by {one_line(event.reviewer, 40)}" if event.reviewer else ""
                why = f": {one_line(event.reason)}" if event.reason else ""
                self.line(("class:name", "  ◆ "), ("", f"{event.tool} ({event.id}) was {event.state}{who}{why}"))
            case events.Notice(text):
                self.line(("class:dim", f"  {one_line(text, 500)}"))
            case events.Failed(text):
                self.line(("class:error", f"  {one_line(text, 2000)}"))
            case events.Cancelled():
                self.line(("class:dim", "  stopped"))
            case events.TurnEnded():
                self._end_line()

    def line(self, *fragments: tuple[str, str]) -> None:
        """Print one line."""
        self._end_line()
        self._write(list(fragments), "\n")

    def text(self, text: str) -> None:
        """Print text of ours or of others, escaped."""
        for row in safe(text).splitlines():
            self.line(("", row))

    def result(self, text: str, fold: int | None = FOLD) -> None:
        """Print a tool's output in a frame; long ones are folded."""
        rows = safe(text).splitlines()
        shown = rows if fold is None or len(rows) <= fold + 1 else rows[:fold]
        for row in shown:
            self.line(("class:dim", "    │ "), ("", row))
        if len(shown) < len(rows):
            self.line(("class:dim", f"    │ … {len(rows) - len(shown)} more lines: /show for all"))

    def _delta(self, text: str) -> None:
        if self.live:
            self._write([("", safe(text))], "")
            self._streamed = True

    def _answer(self, text: str) -> None:
        if not self._streamed and text.strip():
            self.text(text)
        self._end_line()

    def _end_line(self) -> None:
        if self._streamed:
            self._streamed = False
            self._write([], "\n")

    def _turn(self, verdict: Verdict, id: str) -> None:
        if verdict.decision is Decision.ALLOW:
            return
        means = (
            "not passed to the model"
            if verdict.decision is Decision.REFUSE
            else "its calls with effects need a reviewer"
        )
        self.line(*_verdict(verdict), ("class:dim", f"  {id}"))
        self.line(("", f"    your message: {means}"))
        self._reasons(verdict)

    def _card(self, call: Call, verdict: Verdict) -> None:
        self.line(("class:name", f"  ● {call.name}"), ("", f"  {arguments(call)}"))
        self.line(("", "  "), *_verdict(verdict), ("class:dim", f"  {call.id}"))
        if verdict.decision is not Decision.ALLOW:
            self._reasons(verdict)
        if verdict.decision is Decision.ESCALATE:
            self.line(("", f"    waits for a reviewer: so8t review approve {call.id}"))

    def _reasons(self, verdict: Verdict) -> None:
        for reason in verdict.reasons:
            self.line(("", f"    {one_line(reason, 400)}"))

    def _outcome(self, call: Call, outcome: Any) -> None:
        style = "class:dim" if outcome.status == "done" else "class:error"
        self.line((style, f"    {outcome.status}"), ("class:dim", f"  {outcome.ms:.0f} ms"))
        self.result(outcome.output)


def _verdict(verdict: Verdict) -> Fragments:
    shares = ""
    if verdict.probabilities:
        shares = " · ".join(
            f"{name.lower()} {p:.2f}" for name, p in zip(Decision.__members__, verdict.probabilities, strict=True)
        )
    return [
        (COLOURS[verdict.decision], f"  {verdict.decision.name}"),
        ("class:dim", f"  {shares}{' · ' if shares else ''}{verdict.source.value} · {verdict.ms:.0f} ms"),
    ]


def arguments(call: Call, limit: int = 160) -> str:
    """The arguments on one line, as `name=value`."""
    shown = (
        f"{one_line(k, 40)}={one_line(json.dumps(v, ensure_ascii=False), limit)}" for k, v in call.arguments.items()
    )
    return " ".join(shown)


def plain_writer(fragments: Fragments, end: str) -> None:
    """For pipes and NO_COLOR: the text alone."""
    sys.stdout.write("".join(text for _, text in fragments) + end)
    sys.stdout.flush()


def styled_writer() -> Callable[[Fragments, str], None]:
    """For terminals: prompt_toolkit, which also prints correctly while a prompt is on the screen."""
    from prompt_toolkit import print_formatted_text
    from prompt_toolkit.formatted_text import FormattedText
    from prompt_toolkit.styles import Style

    style = Style.from_dict(STYLES)

    def write(fragments: Fragments, end: str) -> None:
        print_formatted_text(FormattedText(fragments), end=end, style=style, flush=True)

    return write
