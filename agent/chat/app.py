"""The chat's main loop: read a line, carry it out, and meanwhile hear of reviewers' decisions."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

from so8t.agent import events
from so8t.agent.chat.commands import Quit, run
from so8t.agent.chat.reader import Reader, reader
from so8t.agent.chat.view import View, plain_writer, styled_writer
from so8t.agent.config import Config
from so8t.agent.ledger import LedgerError
from so8t.agent.loop import Agent
from so8t.agent.session import Session, open_session
from so8t.audit_db import Record, ReviewItem

POLL = 1.0  # seconds between two looks at the review queue


class Chat:
    """What the /commands work with."""

    def __init__(self, view: View) -> None:
        self.view = view
        self.agent: Agent
        self.session: Session
        self.last_output: str | None = None
        self.waiting = 0

    def hear(self, event: events.Event) -> None:
        """Draw an event, and keep what /show needs."""
        if isinstance(event, events.CallFinished):
            self.last_output = event.outcome.output
        self.view.show(event)

    async def pending(self) -> list[ReviewItem]:
        """The calls of this folder that wait."""
        return await self.session.ledger.waiting()

    async def story(self, id: str) -> list[Record]:
        """All records about one decision. Raises LedgerError for an unknown id."""
        return await self.session.ledger.story(id)

    async def cancellable(self, work: Coroutine[Any, Any, None]) -> None:
        """Run `work`; Ctrl-C stops it, and only it."""
        task = asyncio.create_task(work)
        restore = _on_interrupt(task)
        try:
            with suppress(asyncio.CancelledError):
                await task
        finally:
            restore()


async def chat(config: Config) -> None:
    """Talk until the user leaves."""
    terminal = sys.stdin.isatty() and sys.stdout.isatty()
    app = Chat(View(styled_writer() if terminal else plain_writer))
    async with open_session(config, app.hear) as session:
        app.session, app.agent = session, session.agent
        source = reader(app, terminal)
        app.view.line(("class:dim", f"so8t · {session.title} · /help for help"))
        watcher = asyncio.create_task(_watch(app))
        try:
            await _loop(app, source)
        finally:
            watcher.cancel()
            with suppress(asyncio.CancelledError):
                await watcher


async def _loop(app: Chat, source: Reader) -> None:
    while (line := await _read(app, source)) is not None:
        try:
            if line.startswith("/"):
                await run(app, line)
            elif line:
                await app.cancellable(app.agent.turn(line))
        except Quit:
            return
        except LedgerError as error:
            app.hear(events.Failed(str(error)))


async def _read(app: Chat, source: Reader) -> str | None:
    app.view.live = False  # a prompt is on the screen: whole lines only
    try:
        return await source.read()
    finally:
        app.view.live = True


async def _watch(app: Chat) -> None:
    """Take up reviewers' decisions as they come, also those about calls from before a restart."""
    told = ""
    while True:
        try:
            for item in await app.session.ledger.news():
                await app.agent.reviewed(item)
            app.waiting = len(await app.session.ledger.waiting())
            told = ""
        except LedgerError as error:
            if str(error) != told:
                app.hear(events.Failed(told := str(error)))
        await asyncio.sleep(POLL)


def _on_interrupt(task: asyncio.Task[None]) -> Any:
    loop = asyncio.get_running_loop()
    try:
        loop.add_signal_handler(signal.SIGINT, task.cancel)
    except NotImplementedError:  # Windows
        before = signal.signal(signal.SIGINT, lambda *_: loop.call_soon_threadsafe(task.cancel))
        return lambda: signal.signal(signal.SIGINT, before)
    return lambda: loop.remove_signal_handler(signal.SIGINT)
