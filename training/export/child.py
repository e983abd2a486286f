"""One conversation with llama.cpp in a process of its own, whose death is an error message."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from so8t.gate.worker.errors import RemoteError, WorkerError
from so8t.gate.worker.supervisor import Worker
from so8t.training.export.errors import LlamaCppFailed

Result = TypeVar("Result")
HOURS = 6 * 3600.0  # seconds; a large model on a slow machine


def with_llama_cpp(
    service: str, options: dict[str, Any], about: str, talk: Callable[[Worker], Awaitable[Result]]
) -> Result:
    """What `talk` returns. `service` is a class of native.py, `about` names the file. Raises LlamaCppFailed."""

    async def whole() -> Result:
        worker = Worker(f"so8t.training.export.native:{service}", options, name=about, start_timeout=HOURS)
        try:
            return await talk(worker)
        finally:
            await worker.close()

    try:
        return asyncio.run(whole())
    except RemoteError as error:
        raise LlamaCppFailed(f"{about}: {error.message}") from None
    except WorkerError as error:
        raise LlamaCppFailed(f"llama.cpp failed on {error}") from None
