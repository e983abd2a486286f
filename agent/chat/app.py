"""The chat's main loop: read a line, carry it out, and meanwhile hear of reviewers' decisions."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

from so8t.agent import events
from so8t.agent.chat.commands import Quit, run
from so8t.agent.chat.reader import Reader, reader
from so8t.agent.chat.screen import columns, silent_keys, styled_writer
from so8t.agent.chat.turns import Turns, Work, on_interrupt
from so8t.agent.chat.view import View, plain_writer
from so8t.agent.config import Config
from so8t.agent.ledger import LedgerError
from so8t.agent.loop import Agent
from so8t.agent.session import Session, open_session
from so8t.agent.terminal import one_line
from so8t.audit_db import ReviewItem

POLL = 1.0  # seconds between two looks at the review queue


class Chat:
    """What the /commands work with."""

    def __init__(self, terminal: bool) -> None:
        self.view = _view(terminal)
        self.view.live = False
        self.turns = Turns(self._front)
        self.agent: Agent
        self.session: Session
        self.last_output: str | None = None
        self.waiting = 0
        self._told = ""

    def hear(self, event: events.Event) -> None:
        """Draw an event, and keep what /show needs."""
        if isinstance(event, events.CallFinished):
            self.last_output = event.outcome.output
        self.view.show(event)

    async def pending(self) -> list[ReviewItem]:
        """The calls of this folder that wait."""
        items = await self.session.ledger.waiting()
        self.waiting = len(items)
        return items

    async def line(self, line: str) -> None:
        """Carry out one line of the user. Raises Quit."""
        try:
            if line.startswith("/"):
                await run(self, line)
            elif line:
                await self.in_front(lambda: self.agent.turn(line))
            await self.pending()
        except LedgerError as error:
            self.hear(events.Failed(str(error)))

    async def in_front(self, work: Work) -> None:
        """Run a turn of the user; Ctrl-C stops it, and only it."""
        if self.turns.busy:
            self.view.line(("class:dim", "· first, what a reviewer decided is carried out; Ctrl-C takes this back"))
        await self.turns.in_front(work)

    async def look(self) -> None:
        """Take up what reviewers decided meanwhile, also about calls from before a restart."""
        try:
            for item in await self.session.ledger.news():
                await self.turns.behind(lambda item=item: self.agent.reviewed(item))  # type: ignore[misc]
            await self.pending()
            self._told = ""
        except LedgerError as error:
            self._tell_once(str(error))

    def _tell_once(self, text: str) -> None:
        if text != self._told:
            self._told = text
            self.hear(events.Failed(text))

    @contextmanager
    def _front(self) -> Iterator[None]:
        self.view.live = True
        try:
            yield
        finally:
            self.view.live = False


async def chat(config: Config) -> None:
    """Talk until the user leaves."""
    terminal = sys.stdin.isatty() and sys.stdout.isatty()
    app = Chat(terminal)
    async with open_session(config, app.hear) as session:
        app.session, app.agent = session, session.agent
        source = reader(app, terminal)
        _greet(app)
        with ExitStack() as stack:
            if terminal:
                stack.enter_context(on_interrupt(app.turns.interrupt))
                stack.enter_context(silent_keys())
            else:
                await app.look()  # a pipe may end before the first look of the watch
            await _talk(app, source)


async def _talk(app: Chat, source: Reader) -> None:
    """Read and look until one of them ends; an error in either ends the chat."""
    tasks = [asyncio.create_task(_read(app, source)), asyncio.create_task(_watch(app))]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    for task in tasks:
        if not task.cancelled():
            task.result()


async def _read(app: Chat, source: Reader) -> None:
    with suppress(Quit):
        while (line := await source.read()) is not None:
            await app.line(line)
    if app.waiting:
        app.view.line(("class:dim", f"· waiting for a reviewer: {app.waiting}; what came of it is told here next time"))


async def _watch(app: Chat) -> None:
    while True:
        await app.look()
        await asyncio.sleep(POLL)  # another program writes the database: no event tells of it


def _view(terminal: bool) -> View:
    return View(styled_writer(), columns) if terminal else View(plain_writer)


def _greet(app: Chat) -> None:
    app.view.line(("class:name", "so8t"), ("", f" in {one_line(str(app.session.workspace))}"))
    app.view.line(("class:dim", f"{one_line(app.session.title)} decides before every call"))
    app.view.line(("class:dim", "Type what you want, or /help. Ctrl-D leaves."))
