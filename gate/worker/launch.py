"""Starts a child and waits until its service is ready."""

from __future__ import annotations

import asyncio

from so8t.gate.worker.errors import WorkerStartFailed
from so8t.gate.worker.frames import BadFrame, Json
from so8t.gate.worker.process import Ended, Process


async def launch(hello: Json, seconds: float, name: str) -> Process:
    """A child whose service is ready.

    Args:
        hello: the first message: {"target": "package.module:factory", "options": {...}}.
        seconds: how long the service may take to start.
        name: the worker's, for the error message.

    Raises:
        WorkerStartFailed: no process, no answer in time, or the factory failed; nothing is left running.
    """
    try:
        process = await Process.spawn()
    except OSError as error:
        raise WorkerStartFailed(f"{name}: cannot start a process: {error}") from None
    try:
        failure = await _greet(process, hello, seconds)
    except BaseException:
        await process.kill()
        raise
    if failure is None:
        return process
    await process.kill()
    raise WorkerStartFailed(f"{name}: did not start: {failure or process.last_words()}")


async def _greet(process: Process, hello: Json, seconds: float) -> str | None:
    """None: ready. Otherwise what went wrong, '' where only the process's end can tell."""
    try:
        async with asyncio.timeout(seconds):
            await process.send(hello)
            message = await process.receive()
    except TimeoutError:
        return f"no answer within {seconds:g} s"
    except BadFrame as error:
        return str(error)
    except Ended:
        await process.finish(1.0)
        return ""
    return None if "ready" in message else str(message.get("failed"))
