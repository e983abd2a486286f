"""What the review screen knows and what it asks. No terminal here: keys and pictures are elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Literal

from so8t.audit_db import ReviewItem

SETTLE = 0.5  # seconds that a question must have been on the screen before an answer counts


class Mode(Enum):
    """What keys mean now."""

    BROWSE = "browse"
    HELP = "help"
    APPROVE = "approve"  # asks for y
    REFUSE = "refuse"  # asks for a reason
    BUSY = "busy"  # a decision is being written


@dataclass
class Question:
    """Asked about one item, as it was shown."""

    kind: Literal[Mode.APPROVE, Mode.REFUSE]
    item: ReviewItem
    drawn_at: float | None = None  # when it was on the screen and no key typed before was left


@dataclass
class State:
    """The whole state of the screen.

    Args:
        clock: seconds that only go forward.
        settle: seconds between the drawing of a question and the first answer that counts.
    """

    reviewer: str
    clock: Callable[[], float]
    settle: float = SETTLE
    items: Sequence[ReviewItem] = ()
    selected: str | None = None
    detail: ReviewItem | None = None  # the selected item, compared with the trail
    problem: str = ""  # why the selected item, or the whole queue, cannot be decided
    notice: str = ""
    help: bool = False
    busy: bool = False
    question: Question | None = None
    scroll: int = 0  # first row of the detail that is shown
    bottom: int = 0  # rows of the detail that were on the screen, from the first on
    length: int = 0  # rows of the detail
    page: int = 1  # rows of the detail that fit
    drawn: ReviewItem | None = None  # whose detail is on the screen

    @property
    def mode(self) -> Mode:
        """What keys mean now."""
        if self.busy:
            return Mode.BUSY
        if self.question is not None:
            return self.question.kind
        return Mode.HELP if self.help else Mode.BROWSE

    @property
    def index(self) -> int:
        """Where the selected item stands in the list, or 0."""
        return next((i for i, item in enumerate(self.items) if item.id == self.selected), 0)

    def arrived(self, items: Sequence[ReviewItem], detail: ReviewItem | None, problem: str) -> None:
        """The queue was read again. A question about an item that changed or left is withdrawn."""
        before = self.index
        self.items = items
        if not any(item.id == self.selected for item in items):
            self._select(min(before, len(items) - 1))
        if detail is None or detail.id == self.selected:
            self.detail, self.problem = detail, problem
        question = self.question
        if question is not None and (problem or question.item not in items or detail != question.item):
            self.question = None
            self.notice = f"the question about {question.item.id} was withdrawn: the call changed or no longer waits"

    def move(self, step: int) -> None:
        """Select another item."""
        self.notice = ""
        self._select(max(0, min(self.index + step, len(self.items) - 1)))

    def turn_page(self, step: int) -> None:
        """Scroll the detail by pages that overlap by one row."""
        self.notice = ""
        self.scroll += step * max(1, self.page - 1)

    def ask(self, kind: Literal[Mode.APPROVE, Mode.REFUSE]) -> None:
        """Ask about the item whose detail is on the screen."""
        self.notice = ""
        if self.problem:
            return
        if self.detail is None or self.detail != self.drawn or self.detail.id != self.selected:
            self.notice = "" if not self.items else "not yet: the call was not on the screen"
            return
        self.question = Question(kind, self.detail)

    def question_drawn(self) -> None:
        """The question is on the screen, and keys typed before are gone."""
        if self.question is not None and self.question.drawn_at is None:
            self.question.drawn_at = self.clock()

    def may_answer(self) -> bool:
        """Whether an answer counts by now. One that came too soon starts the wait again."""
        question = self.question
        if question is None or question.drawn_at is None:
            return False
        if self.clock() - question.drawn_at >= self.settle:
            return True
        question.drawn_at, self.notice = self.clock(), "too soon: read the line first, then answer"
        return False

    def withdraw(self) -> None:
        """Leave the question without an answer, unless it was not on the screen yet."""
        if self.question is not None and self.question.drawn_at is not None:
            self.question, self.notice = None, "it goes on waiting"

    def _select(self, index: int) -> None:
        chosen = self.items[index].id if self.items else None
        if chosen != self.selected:
            self.selected, self.detail, self.problem = chosen, None, ""
            self.scroll = self.bottom = 0
