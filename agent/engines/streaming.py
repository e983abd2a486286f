"""What of a growing answer may be shown: text, but no reasoning block and no call."""

from __future__ import annotations

from so8t.agent.engines import ProposedCall
from so8t.agent.engines.call_format import CallFormat

OPEN, CLOSE = "<think>", "</think>"


class Visible:
    """Takes pieces of an answer and gives out the part that is surely text for the user.

    All that add() and finish() give out is, together, the text of reply().
    """

    def __init__(self, form: CallFormat, *, thinking: bool = False) -> None:
        """`thinking`: the prompt itself opened a reasoning block."""
        self._form = form
        self._all = OPEN if thinking else ""
        self._shown = 0  # characters of the text that were given out

    def add(self, piece: str) -> str:
        """The text that became visible with this piece."""
        self._all += piece
        answer = self._answer(ended=False)
        return self._give_out(answer[: self._form.opening(answer, ended=False)])

    def finish(self) -> str:
        """The text that was held back and is text after all."""
        return self._give_out(self.reply()[0])

    def reply(self) -> tuple[str, tuple[ProposedCall, ...], bool]:
        """Text, calls, and whether the calls can be read to their end."""
        text, calls, readable = self._form.split(self._answer(ended=True))
        return text.rstrip(), calls, readable

    def call(self) -> str:
        """What was written since a call opened; empty before."""
        answer = self._answer(ended=False)
        return answer[self._form.opening(answer, ended=True) :]

    def _answer(self, *, ended: bool) -> str:
        text = self._all.lstrip()
        if text.startswith(OPEN):
            return text.partition(CLOSE)[2].lstrip()
        return "" if not ended and OPEN.startswith(text) else text

    def _give_out(self, text: str) -> str:
        new = text.rstrip()[self._shown :]
        self._shown += len(new)
        return new
