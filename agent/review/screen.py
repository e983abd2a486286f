"""`so8t review` in a terminal: the list, the selected call, and the keys that decide."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress

from prompt_toolkit.application import Application
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.filters import Condition
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.layout import BufferControl, ConditionalContainer, FormattedTextControl, HSplit, Layout, Window
from prompt_toolkit.layout.processors import BeforeInput
from prompt_toolkit.styles import Style

from so8t.agent.review.desk import Desk
from so8t.agent.review.frame import STYLES, frame
from so8t.agent.review.keys import bindings
from so8t.agent.review.state import SETTLE, Mode, State
from so8t.agent.terminal import safe
from so8t.audit_db import ReviewError, ReviewItem, TrailError

EVERY = 1.0  # seconds between two looks at the queue
READS = 64  # how often what was typed ahead is read; a terminal that still sends is not at rest


class Screen:
    """One run of the full-screen view."""

    def __init__(self, desk: Desk, clock: Callable[[], float] = time.monotonic, settle: float = SETTLE) -> None:
        self.desk = desk
        self.state = State(desk.reviewer, clock, settle)
        self.reason = Buffer(multiline=False, on_text_changed=_keep_safe)
        self._wanted = asyncio.Event()  # somebody wants to look at the queue now
        self.app: Application[None] = self._application()

    async def run(self) -> None:
        """Until the reviewer leaves."""
        await self.app.run_async(pre_run=self._begin)

    def look(self) -> None:
        """Read the queue again soon; draw."""
        self._wanted.set()
        self.app.invalidate()

    def decide(self, reason: str = "") -> None:
        """Write the decision that the open question asked for."""
        question, self.state.question = self.state.question, None
        assert question is not None
        item = question.item
        if question.kind is Mode.APPROVE:
            self._write(lambda: self.desk.approve(item.id, item.digest))
        else:
            self._write(lambda: self.desk.refuse(item.id, reason))

    def focus(self) -> None:
        """Let keys go where the mode wants them."""
        self.app.layout.focus(self.reason if self.state.mode is Mode.REFUSE else self._body)

    def _application(self) -> Application[None]:
        self._body = FormattedTextControl(self._picture, focusable=True, show_cursor=False)
        refusing = Condition(lambda: self.state.mode is Mode.REFUSE)
        control = BufferControl(self.reason, input_processors=[BeforeInput("reason: ", style="class:ask")])
        editor = ConditionalContainer(Window(control, height=1), refusing)
        return Application(
            layout=Layout(HSplit([Window(self._body), editor]), focused_element=self._body),
            key_bindings=bindings(self),
            style=Style.from_dict(STYLES),
            full_screen=True,
            enable_page_navigation_bindings=False,
            after_render=lambda _: self._drawn(),
        )

    def _picture(self) -> StyleAndTextTuples:
        size = self.app.output.get_size()
        height = size.rows - (self.state.mode is Mode.REFUSE)
        rows = frame(self.state, self.desk.now(), size.columns, height)
        return [(style, text + "\n" * (number < len(rows))) for number, (style, text) in enumerate(rows, 1)]

    def _drawn(self) -> None:
        state = self.state
        if state.mode is not Mode.HELP:
            state.drawn = state.detail
        question = state.question
        if question is not None and question.drawn_at is None and self._typed_ahead_dropped():
            state.question_drawn()

    def _typed_ahead_dropped(self) -> bool:
        """Forget keys that were typed before the screen showed what they would answer. False: more are coming in."""
        self.app.key_processor.empty_queue()
        for _ in range(READS):
            if not self.app.input.read_keys() and not self.app.input.flush_keys():
                return True
        self.app.invalidate()
        return False

    def _begin(self) -> None:
        self.app.create_background_task(self._watch())

    async def _watch(self) -> None:
        while True:
            self._wanted.clear()
            if not self.state.busy:
                chosen = self.state.selected
                found = await asyncio.to_thread(self._read, chosen)
                if not self.state.busy and chosen == self.state.selected:
                    self.state.arrived(*found)
                    self.focus()
                if self.state.selected != chosen:
                    continue
            self.app.invalidate()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wanted.wait(), EVERY)

    def _read(self, chosen: str | None) -> tuple[list[ReviewItem], ReviewItem | None, str]:
        try:
            items = self.desk.waiting()
        except (ReviewError, TrailError) as error:
            return [], None, str(error)
        if not any(item.id == chosen for item in items):
            return items, None, ""
        assert chosen is not None
        try:
            return items, self.desk.item(chosen), ""
        except (ReviewError, TrailError) as error:
            return items, None, str(error)

    def _write(self, act: Callable[[], ReviewItem]) -> None:
        async def work() -> None:
            try:
                done = await asyncio.to_thread(act)
                self.state.notice = f"{done.state}: {done.id}, {done.tool}"
            except (ReviewError, TrailError) as error:
                self.state.notice = str(error)
            finally:
                self.state.busy = False
                self.look()

        self.state.busy = True
        self.app.create_background_task(work())


def _keep_safe(buffer: Buffer) -> None:
    """A reason is shown, and stored, without characters that nobody sees."""
    clean = safe(buffer.text, lines=False)
    if clean != buffer.text:
        buffer.text, buffer.cursor_position = clean, len(clean)
