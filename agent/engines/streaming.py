"""What of a growing answer may be shown: text, but no reasoning block and no call."""

from __future__ import annotations

from so8t.agent.engines import ProposedCall
from so8t.agent.engines.call_format import CallFormat

OPEN, CLOSE = "<think>", "</think>"


class Visible:
    """Takes pieces of an answer and gives out the part that is surely text for the user."""

    def __init__(self, form: CallFormat) -> None:
        self._form = form
        self._all = ""
        self._shown = 0  # characters of the text that were given out

    def add(self, piece: str) -> str:
        """The text that became visible with this piece."""
        self._all += piece
        return self._upto(_settled(self._answer(), self._form.trigger))

    def finish(self) -> str:
        """The text that was held back and is text after all."""
        return self._upto(len(self.reply()[0]))

    def reply(self) -> tuple[str, tuple[ProposedCall, ...], bool]:
        """Text, calls, and whether the calls are complete."""
        text, calls, complete = self._form.split(self._answer())
        return text.rstrip() if calls else text, calls, complete

    def _answer(self) -> str:
        head, closed, rest = self._all.partition(CLOSE)
        if head.lstrip().startswith(OPEN):
            return rest.lstrip() if closed else ""
        if OPEN.startswith(self._all.strip()[: len(OPEN)]) and len(self._all.strip()) < len(OPEN):
            return ""  # may become a reasoning block
        return self._all

    def _upto(self, end: int) -> str:
        text = self._answer()[self._shown : end]
        self._shown = max(self._shown, end)
        return text


def _settled(text: str, trigger: str) -> int:
    """How much of `text` cannot be part of the trigger."""
    if (found := text.find(trigger)) >= 0:
        return found
    longest = min(len(trigger) - 1, len(text))
    return next((len(text) - n for n in range(longest, 0, -1) if trigger.startswith(text[-n:])), len(text))
