"""A worker: one service in one child process, restarted when it dies, one request at a time."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from so8t.gate.worker import errors
from so8t.gate.worker.backoff import Backoff
from so8t.gate.worker.frames import BadFrame, Json
from so8t.gate.worker.launch import launch
from so8t.gate.worker.process import Ended, Process


@dataclass(slots=True)
class _Turn:
    """One request's time with the process."""

    process: Process
    number: int
    open: bool = False  # the child has work of this turn that did not end yet


class Worker:
    """Runs `factory(**options)` of `target` ("package.module:factory") in a child process and calls its methods.

    Requests wait for each other. A worker belongs to one event loop. All times are seconds.
    """

    def __init__(
        self,
        target: str,
        options: Mapping[str, Any],
        *,
        name: str,
        start_timeout: float = 60.0,
        grace: float = 5.0,
        backoff: Backoff = Backoff(),  # noqa: B008 - immutable
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`grace`: how long a cancelled request may go on in the child before the child is killed."""
        self.name = name
        self._hello = {"target": target, "options": dict(options)}
        self._start_timeout = start_timeout
        self._grace = grace
        self._backoff = backoff
        self._clock = clock
        self._lock = asyncio.Lock()
        self._numbers = itertools.count(1)
        self._process: Process | None = None
        self._starting: asyncio.Task[Process] | None = None
        self._settling: asyncio.Task[None] | None = None
        self._deaths = 0
        self._not_before = 0.0
        self._closed = False

    async def start(self) -> None:
        """Start the process now, so that the first request need not wait for it.

        Raises:
            WorkerStartFailed, WorkerBackingOff, WorkerClosed.
        """
        async with self._lock:
            await self._ready()

    async def call(self, method: str, payload: Json, *, timeout: float) -> Json:  # noqa: ASYNC109 - it kills, not only cancels
        """Run a method and return its result. `timeout` begins when the process takes the request.

        Raises:
            WorkerError: each of its subclasses.
        """
        async with self._turn() as turn:
            await self._send(turn, method, payload, stream=False)
            return (await self._receive(turn, timeout))["result"]

    async def stream(self, method: str, payload: Json, *, timeout: float) -> AsyncGenerator[Json, None]:  # noqa: ASYNC109 - as above
        """Run a generator method and yield its items. `timeout` is for each item.

        Closing the iterator, or cancelling the task, stops the generator between two items.

        Raises:
            WorkerError: each of its subclasses.
        """
        async with self._turn() as turn:
            await self._send(turn, method, payload, stream=True)
            while "item" in (message := await self._receive(turn, timeout)):
                yield message["item"]

    async def close(self) -> None:
        """End the process. Idempotent; requests that are under way or waiting raise WorkerClosed."""
        self._closed = True
        for task in (self._starting, self._settling):
            if task is not None and not task.done():
                task.cancel()
                await asyncio.wait([task])
        process, self._process = self._process, None
        if process is not None:
            await process.stop(grace=1.0)

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[_Turn]:
        await self._lock.acquire()
        turn = None
        try:
            turn = _Turn(await self._ready(), next(self._numbers))
            yield turn
        finally:
            if turn is not None and turn.open:  # cancelled: the next request waits until the child is free
                self._settling = asyncio.create_task(self._settle(turn))
            else:
                self._lock.release()

    async def _ready(self) -> Process:
        if self._closed:
            raise errors.WorkerClosed(f"{self.name}: closed")
        if self._process is not None and not self._process.running:
            await self._bury(self._process)  # it died while nobody asked it anything
        if self._process is not None:
            return self._process
        if self._starting is None:
            self._wait_is_over()
            self._starting = asyncio.create_task(self._begin())
            self._starting.add_done_callback(self._began)
        starting = self._starting
        try:
            return await asyncio.shield(starting)  # a caller that gives up does not stop the start
        except asyncio.CancelledError:
            if starting.cancelled():  # by close(), not the caller
                raise errors.WorkerClosed(f"{self.name}: closed") from None
            raise

    def _wait_is_over(self) -> None:
        left = self._not_before - self._clock()
        if left > 0:
            raise errors.WorkerBackingOff(
                f"{self.name}: died {self._deaths} times in a row; it is not started again for {left:.0f} s", left
            )

    async def _begin(self) -> Process:
        try:
            self._process = await launch(self._hello, self._start_timeout, self.name)
        except errors.WorkerStartFailed:
            self._count_death()
            raise
        return self._process

    def _began(self, task: asyncio.Task[Process]) -> None:
        self._starting = None
        if not task.cancelled():
            task.exception()  # seen: nobody may be waiting for it any more

    async def _send(self, turn: _Turn, method: str, payload: Json, *, stream: bool) -> None:
        message = {"id": turn.number, "method": method, "payload": payload, "stream": stream}
        turn.open = True
        try:
            await turn.process.send(message)
        except BadFrame as error:  # nothing was written
            turn.open = False
            raise errors.WorkerError(f"{self.name}: the request cannot be sent: {error}") from None
        except Ended:
            raise await self._crashed(turn) from None

    async def _receive(self, turn: _Turn, seconds: float) -> dict[str, Any]:
        try:
            async with asyncio.timeout(seconds):
                message = await turn.process.receive()
            if message.get("id") != turn.number:
                raise BadFrame("a message belongs to no request")
        except TimeoutError:
            turn.open = False
            await self._bury(turn.process)
            raise errors.WorkerTimeout(f"{self.name}: no answer within {seconds:g} s; killed") from None
        except BadFrame as error:
            raise await self._crashed(turn, f"broken output ({error}); killed") from None
        except Ended:
            raise await self._crashed(turn) from None
        return self._opened(turn, message)

    def _opened(self, turn: _Turn, message: dict[str, Any]) -> dict[str, Any]:
        if "item" in message:
            return message
        turn.open = False
        self._deaths = 0
        if "error" in message:
            raise errors.RemoteError(self.name, str(message["error"]), str(message.get("message", "")))
        return message

    async def _crashed(self, turn: _Turn, how: str = "") -> errors.WorkerError:
        turn.open = False
        last = await self._bury(turn.process, grace=0.0 if how else 1.0)
        if self._closed:
            return errors.WorkerClosed(f"{self.name}: closed")
        return errors.WorkerCrashed(f"{self.name}: died: {how or last}")

    async def _bury(self, process: Process, grace: float = 0.0) -> str:
        """End what is left of a process and count the death. Returns how it ended.

        `grace`: a process that closed its pipe is about to tell its exit code, which a kill would hide.
        """
        if self._process is process:
            self._process = None
        self._count_death()
        await process.finish(grace)
        return process.last_words()

    def _count_death(self) -> None:
        self._deaths += 1
        self._not_before = self._clock() + self._backoff.delay(self._deaths)

    async def _settle(self, turn: _Turn) -> None:
        """Tell the child to stop, read what it still says, and let the next request in."""
        try:
            async with asyncio.timeout(self._grace):
                await turn.process.send({"cancel": turn.number})
                while turn.open:
                    with contextlib.suppress(errors.RemoteError):
                        self._opened(turn, await turn.process.receive())
        except (TimeoutError, Ended, BadFrame):
            await self._bury(turn.process)
        except asyncio.CancelledError:
            await self._bury(turn.process)
            raise
        finally:
            self._lock.release()
