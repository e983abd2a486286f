"""Draws events. Nothing from outside reaches the terminal unescaped, or at the start of a line (see layout.py)."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable

from so8t.agent import events
from so8t.agent.chat.layout import INDENT, Flow, Fragments, rows
from so8t.agent.terminal import one_line, safe
from so8t.gate.contract import Call, Decision, Verdict
from so8t.tools import Outcome

FOLD = 12  # lines of a result that are shown at once
FOLD_LINE = 400  # characters of one of them

SIGNS = {
    Decision.ALLOW: ("class:allow", "✓ "),
    Decision.ESCALATE: ("class:escalate", "? "),
    Decision.REFUSE: ("class:refuse", "✗ "),
}


class View:
    """Turns events into lines.

    Args:
        write: prints styled fragments and the end of the line.
        width: the columns of the terminal; None where lines are not wrapped.
    """

    def __init__(self, write: Callable[[Fragments, str], None], width: Callable[[], int | None] = lambda: None) -> None:
        self.live = True  # half lines may be printed: no prompt is on the screen
        self._write = write
        self._width = width
        self._flow: Flow | None = None  # the answer whose last line is not ended
        self._streamed = False  # something of the answer was shown already
        self._latest = ""  # the call that was drawn last

    def show(self, event: events.Event) -> None:
        """Draw one event."""
        match event:
            case events.TurnJudged(id, _, verdict):
                self._turn(verdict, id)
            case events.Delta(text):
                self._delta(text)
            case events.Answered(text):
                self._answer(text)
            case events.CallInvalid(call, error):
                self.line(("class:error", "✗ "), ("class:name", one_line(call.name, 64)), ("", arguments(call)))
                self.line(("", f"  not a valid call: {one_line(error, 400)}"))
            case events.CallJudged(call, verdict):
                self._card(call, verdict)
            case events.CallFinished(call, outcome):
                self._outcome(call, outcome)
            case events.Reviewed():
                self._reviewed(event)
            case events.Notice(text):
                self.line(("class:dim", f"· {one_line(text, 500)}"))
            case events.Failed(text):
                self.line(("class:error", f"✗ {one_line(text, 2000)}"))
            case events.Cancelled():
                self.line(("class:dim", "· stopped"))
            case events.TurnEnded():
                self._streamed = False
                self._end_answer()

    def line(self, *fragments: tuple[str, str], hang: int = 2) -> None:
        """Print one line, wrapped with `hang` spaces before all rows but the first."""
        self._end_answer()
        for row in rows(list(fragments), hang, self._width()):
            self._write(row, "\n")

    def text(self, text: str) -> None:
        """Print text of ours or of others, escaped and indented."""
        for row in safe(text).split("\n"):
            self.line(("", INDENT + row if row else ""))

    def result(self, text: str, fold: int | None = FOLD) -> None:
        """Print a tool's output in a frame; long ones are folded."""
        lines = safe(text).removesuffix("\n").split("\n")
        shown = lines if fold is None or len(lines) <= fold + 1 else lines[:fold]
        cut = False
        for line in shown:
            short = line if fold is None or len(line) <= FOLD_LINE + 40 else line[:FOLD_LINE] + " …"
            cut |= short != line
            self.line(("class:dim", "  │ "), ("", short), hang=4)
        if missing := len(lines) - len(shown):
            self.line(("class:dim", f"  … {missing} more lines: /show for all"))
        elif cut:
            self.line(("class:dim", "  … long lines are cut: /show for all"))

    def _delta(self, text: str) -> None:
        if self._flow is None and self.live:
            self._flow = Flow(self._width())
        if self._flow is not None:
            self._streamed = True
            self._write([("", self._flow.feed(text))], "")

    def _answer(self, text: str) -> None:
        if not self._streamed and text.strip():
            flow = Flow(self._width())
            self._write([("", flow.feed(text) + flow.end())], "")
        self._streamed = False
        self._end_answer()

    def _end_answer(self) -> None:
        if self._flow is not None:
            flow, self._flow = self._flow, None
            self._write([("", flow.end())], "")

    def _turn(self, verdict: Verdict, id: str) -> None:
        if verdict.decision is Decision.ALLOW:
            return
        self.line(*_verdict(verdict, id))
        refused = verdict.decision is Decision.REFUSE
        means = "not passed to the model" if refused else "its calls with effects need a reviewer"
        self.line(("", f"  your message: {means}"))
        self._reasons(verdict)

    def _card(self, call: Call, verdict: Verdict) -> None:
        self._latest = call.id
        self.line(("class:name", f"● {one_line(call.name, 64)}"), ("", arguments(call)))
        self.line(*_verdict(verdict, call.id))
        if verdict.decision is not Decision.ALLOW:
            self._reasons(verdict)
        if verdict.decision is Decision.ESCALATE:
            self.line(("", f"  waits for a reviewer: so8t review approve {call.id}"))

    def _reasons(self, verdict: Verdict) -> None:
        for reason in verdict.reasons:
            self.line(("", f"  {one_line(reason, 400)}"))

    def _reviewed(self, event: events.Reviewed) -> None:
        self._latest = ""  # its card may be far above
        who = f" by {one_line(event.reviewer, 40)}" if event.reviewer else ""
        why = f": {one_line(event.reason)}" if event.reason else ""
        self.line(("class:name", "◆ "), ("", f"{one_line(event.tool, 64)} ({event.id}) was {event.state}{who}{why}"))

    def _outcome(self, call: Call, outcome: Outcome) -> None:
        style, sign = ("class:dim", "✓") if outcome.status == "done" else ("class:error", "✗")
        whose = "" if call.id == self._latest else f"{one_line(call.name, 64)}{arguments(call, 60)}  "
        self._latest = call.id
        self.line((style, f"{sign} {whose}{outcome.status}"), ("class:dim", f"  {outcome.ms:.0f} ms"))
        if outcome.output:
            self.result(outcome.output)


def _verdict(verdict: Verdict, id: str) -> Fragments:
    style, sign = SIGNS[verdict.decision]
    how = [f"{verdict.source.value}", f"{verdict.ms:.0f} ms"]
    if verdict.probabilities:
        shares = zip(Decision.__members__, verdict.probabilities, strict=True)
        how = [*(f"{name.lower()} {share:.2f}" for name, share in shares), *how]
    return [(style, f"{sign}{verdict.decision.name}"), ("", f"  {id}"), ("class:dim", "  " + " · ".join(how))]


def arguments(call: Call, limit: int = 160) -> str:
    """The arguments on one line, as `name=value`, each with blanks before it."""
    shown = (
        f"{one_line(k, 40)}={one_line(json.dumps(v, ensure_ascii=False), limit)}" for k, v in call.arguments.items()
    )
    return "".join(f"  {argument}" for argument in shown)


def plain_writer(fragments: Fragments, end: str) -> None:
    """For pipes: the text alone."""
    sys.stdout.write("".join(text for _, text in fragments) + end)
    sys.stdout.flush()
