"""One turn at a time, and Ctrl-C stops the right one.

The user's turns run in front: the prompt is gone until they end. What follows from a reviewer's decision runs behind
the prompt.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any

Work = Callable[[], Awaitable[None]]


class Turns:
    """Runs the turns. `front` is entered while one runs in front."""

    def __init__(self, front: Callable[[], AbstractContextManager[None]]) -> None:
        self._front = front
        self._one = asyncio.Lock()
        self._running: list[asyncio.Task[None]] = []  # the one in front, if any, is the last

    @property
    def busy(self) -> bool:
        """A turn runs, in front or behind."""
        return self._one.locked()

    async def in_front(self, work: Work) -> None:
        """Run `work`; it may be interrupted, also while it waits for the one behind."""
        await self._interruptible(self._in_front(work))

    async def behind(self, work: Work) -> None:
        """Run `work` when no turn runs; it may be interrupted too."""
        async with self._one:
            await self._interruptible(_called(work))

    def interrupt(self) -> None:
        """Stop the turn in front, else the one behind."""
        if self._running:
            self._running[-1].cancel()

    async def _in_front(self, work: Work) -> None:
        async with self._one:
            with self._front():
                await work()

    async def _interruptible(self, work: Coroutine[Any, Any, None]) -> None:
        """Run `work`. Being interrupted is no error; the end of the program ends it as well."""
        task = asyncio.create_task(work)
        self._running.append(task)
        try:
            await asyncio.wait([task])
        finally:
            self._running.remove(task)
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def _called(work: Work) -> None:
    await work()


@contextmanager
def on_interrupt(action: Callable[[], None]) -> Iterator[None]:
    """Ctrl-C calls `action` and does nothing else."""
    loop = asyncio.get_running_loop()
    before = signal.getsignal(signal.SIGINT)
    try:
        loop.add_signal_handler(signal.SIGINT, action)
    except NotImplementedError:  # Windows' event loop has no signal handlers
        signal.signal(signal.SIGINT, lambda *_: loop.call_soon_threadsafe(action))
    try:
        yield
    finally:
        with suppress(NotImplementedError):  # the same
            loop.remove_signal_handler(signal.SIGINT)
        signal.signal(signal.SIGINT, before)
