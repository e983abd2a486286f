"""Blocking functions in daemon threads of their own: one that never returns cannot hold the program at exit."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import threading
from collections.abc import Callable
from typing import TypeVar

from so8t.tools.output import one_line

T = TypeVar("T")


def in_thread(function: Callable[[], T], name: str) -> asyncio.Future[T]:
    """Start `function` in a thread; the future gets its result or exception. Cancelling it does not stop the thread."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()
    context = contextvars.copy_context()

    def work() -> None:
        try:
            result = context.run(function)
        except BaseException as error:  # noqa: BLE001 - handed to the one who waits, whatever it is
            report(future.set_exception, _carriable(error))
        else:
            report(future.set_result, result)

    def report(deliver: Callable[..., None], value: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(lambda: None if future.done() else deliver(value))

    threading.Thread(target=work, name=name, daemon=True).start()
    return future


def _carriable(error: BaseException) -> BaseException:
    """The error, or one that says the same where a future (StopIteration) or the loop (SystemExit) would misread it."""
    if isinstance(error, Exception) and not isinstance(error, StopIteration):
        return error
    return RuntimeError(one_line(error))
