"""The parent's handle on one child process: messages in and out, its last words, its end."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import os
import signal
import subprocess
import sys
from collections import deque
from typing import Any

from so8t.gate.worker import frames
from so8t.gate.worker.child import OUT_OF_MEMORY
from so8t.gate.worker.environment import child_environment
from so8t.gate.worker.frames import Json

RING = 50  # lines of stderr kept
LONGEST_LINE = 500  # characters kept of each
_alive: set[int] = set()  # process ids


class Ended(Exception):
    """The child closed its end of the pipe: it is dead or dying."""


class Process:
    """One child, from spawn() to kill()."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        self._process = process
        self._stdin = process.stdin
        self._stdout = process.stdout
        self._pending: int | None = None  # length of a frame whose body is still to be read
        self._lines: deque[str] = deque(maxlen=RING)
        self._stderr = asyncio.create_task(_keep_last_lines(process.stderr, self._lines))
        _alive.add(process.pid)

    @classmethod
    async def spawn(cls) -> Process:
        """Start a child that waits for its first message. Raises OSError."""
        command = [sys.executable, "-P", "-X", "utf8", "-m", "so8t.gate.worker"]  # -P: the working folder is not code
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            *command, stdin=pipe, stdout=pipe, stderr=pipe, env=child_environment(), **_own_group()
        )
        return cls(process)

    @property
    def pid(self) -> int:
        """The child's process id."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the child has not ended, as far as the event loop has noticed."""
        return self._process.returncode is None

    async def send(self, message: Json) -> None:
        """Write one message. Raises Ended, frames.BadFrame."""
        frame = frames.encode(message)
        try:
            self._stdin.write(frame)
            await self._stdin.drain()
        except (ConnectionError, RuntimeError):  # RuntimeError: the transport is closed
            raise Ended from None

    async def receive(self) -> dict[str, Any]:
        """The next message; safe to cancel and call again. Raises Ended, frames.BadFrame."""
        try:
            if self._pending is None:
                self._pending = frames.length(await self._stdout.readexactly(frames.HEADER.size))
            body = await self._stdout.readexactly(self._pending)
        except (asyncio.IncompleteReadError, ConnectionError):
            raise Ended from None
        self._pending = None
        return frames.decode(body)

    async def stop(self, grace: float) -> None:
        """Close the pipe, which ends a healthy child; kill it after `grace` seconds."""
        self._stdin.close()
        await self.finish(grace)

    async def finish(self, grace: float) -> None:
        """Let the child end by itself for `grace` seconds, then kill it."""
        try:
            async with asyncio.timeout(grace):
                await self._process.wait()
        except TimeoutError:
            pass
        finally:
            await self.kill()

    async def kill(self) -> None:
        """End the child, and what it forked, now. Idempotent."""
        if self.pid in _alive:
            _kill(self.pid)
        self._stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), timeout=5)
        except TimeoutError:
            pass  # a process that escaped from the group holds the pipes; the child itself is dead
        finally:
            _alive.discard(self.pid)
        await asyncio.wait([self._stderr], timeout=1)
        self._stderr.cancel()

    def last_words(self) -> str:
        """How the child ended, and the last line that it wrote. Call it after kill()."""
        how = _ending(self._process.returncode)
        return f"{how}; last line: {self._lines[-1]}" if self._lines else how


def _own_group() -> dict[str, Any]:
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW}
    return {"start_new_session": True}


async def _keep_last_lines(stream: asyncio.StreamReader, lines: deque[str]) -> None:
    rest = ""
    while chunk := await stream.read(65536):
        *whole, rest = (rest + chunk.decode("utf-8", "replace")).split("\n")
        lines.extend(shown for line in whole if (shown := _printable(line)))
        rest = rest[-LONGEST_LINE:]
    if shown := _printable(rest):
        lines.append(shown)


def _printable(line: str) -> str:
    return "".join(c if c.isprintable() else " " for c in line[:LONGEST_LINE]).strip()


def _ending(code: int | None) -> str:
    if code == OUT_OF_MEMORY:
        return "out of memory (MemoryError)"
    if code is None or code >= 0:
        return f"exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return f"{name} (perhaps the system ran out of memory)" if name == "SIGKILL" else name


def _kill(pid: int) -> None:
    """The child leads a group of its own; the group outlives it while something that it forked is alive."""
    with contextlib.suppress(OSError):
        if sys.platform == "win32":
            os.kill(pid, signal.SIGTERM)
        else:
            os.killpg(pid, signal.SIGKILL)


@atexit.register
def _kill_all() -> None:
    for pid in _alive:
        _kill(pid)
