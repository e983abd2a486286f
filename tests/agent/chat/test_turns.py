"""One turn at a time: in front of the prompt or behind it, and Ctrl-C stops the right one."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from so8t.agent.chat.turns import Turns, on_interrupt


class Log:
    """What happened, in order; and turns that last until they are let go."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.began = asyncio.Event()
        self.release = asyncio.Event()
        self.turns = Turns(self.front)

    @contextmanager
    def front(self) -> Iterator[None]:
        self.said.append("front")
        try:
            yield
        finally:
            self.said.append("prompt")

    async def long(self) -> None:
        self.began.set()
        try:
            await self.release.wait()
            self.said.append("long done")
        except asyncio.CancelledError:
            self.said.append("long stopped")
            raise

    async def short(self) -> None:
        self.said.append("short done")


def test_a_turn_in_front_waits_for_the_one_behind() -> None:
    async def play() -> list[str]:
        log = Log()
        behind = asyncio.create_task(log.turns.behind(log.long))
        await log.began.wait()
        assert log.turns.busy
        front = asyncio.create_task(log.turns.in_front(log.short))
        await asyncio.sleep(0)
        log.release.set()
        await asyncio.gather(behind, front)
        assert not log.turns.busy
        return log.said

    assert asyncio.run(play()) == ["long done", "front", "short done", "prompt"]


def test_an_interrupt_takes_back_the_turn_in_front_and_then_stops_the_one_behind() -> None:
    async def play() -> list[str]:
        log = Log()
        behind = asyncio.create_task(log.turns.behind(log.long))
        await log.began.wait()
        front = asyncio.create_task(log.turns.in_front(log.short))
        await asyncio.sleep(0)
        log.turns.interrupt()
        await front
        assert log.said == []
        log.turns.interrupt()
        await behind
        log.turns.interrupt()  # nothing runs: nothing happens
        return log.said

    assert asyncio.run(play()) == ["long stopped"]


def test_a_failure_in_a_turn_reaches_the_caller_and_leaves_the_way_free() -> None:
    async def broken() -> None:
        raise ZeroDivisionError

    async def play() -> list[str]:
        log = Log()
        for run in (log.turns.in_front, log.turns.behind):
            with pytest.raises(ZeroDivisionError):
                await run(broken)
        await log.turns.in_front(log.short)
        return log.said

    assert asyncio.run(play()) == ["front", "prompt", "front", "short done", "prompt"]


def test_the_end_of_the_program_ends_the_turn_first() -> None:
    async def play() -> list[str]:
        log = Log()
        front = asyncio.create_task(log.turns.in_front(log.long))
        await log.began.wait()
        front.cancel()
        with pytest.raises(asyncio.CancelledError):
            await front
        return log.said

    assert asyncio.run(play()) == ["front", "long stopped", "prompt"]


@pytest.mark.skipif(sys.platform == "win32", reason="sends POSIX signals")
def test_an_interrupt_signal_stops_the_turn_and_nothing_else_and_the_old_handler_comes_back() -> None:
    async def play() -> list[str]:
        log = Log()
        before = signal.getsignal(signal.SIGINT)
        with on_interrupt(log.turns.interrupt):
            front = asyncio.create_task(log.turns.in_front(log.long))
            await log.began.wait()
            os.kill(os.getpid(), signal.SIGINT)
            await front
        assert signal.getsignal(signal.SIGINT) is before
        return log.said

    assert asyncio.run(play()) == ["front", "long stopped", "prompt"]
