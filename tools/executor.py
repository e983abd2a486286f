"""Runs allowed calls: with the tool's timeout, its output cap, and no exception of a tool's reaching the caller."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from so8t.gate.allowed import Allowed
from so8t.gate.contract import Call
from so8t.tools.definition import Tool
from so8t.tools.errors import MissingResource, ToolboxError, ToolError
from so8t.tools.output import cap, message, one_line, to_text
from so8t.tools.threads import in_thread
from so8t.tools.toolbox import Toolbox

GRACE = 1.0  # seconds that a cancelled async tool has for cleaning up
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one run."""

    status: Literal["done", "error", "timeout", "cancelled"]
    output: str  # for the model; one line where the status is not "done"
    truncated: bool
    ms: float


class Executor:
    """Runs calls of the tools in a toolbox. It takes an `Allowed` and nothing else."""

    def __init__(self, toolbox: Toolbox, resources: Sequence[object] = (), concurrency: int = 8) -> None:
        """Raises MissingResource if a tool takes something that `resources` does not hold."""
        self._toolbox = toolbox
        self._resources = {type(resource): resource for resource in resources}
        for tool in toolbox:
            for kind in tool.resources.values():
                if kind not in self._resources:
                    raise MissingResource(
                        f"tool {tool.name} ({tool.origin}) needs a {kind.__name__}: pass one, or disable the tool"
                    )
        self._slots = asyncio.Semaphore(concurrency)
        self._concurrency = concurrency
        self._stuck: set[asyncio.Future[Any]] = set()

    async def run(self, allowed: Allowed) -> Outcome:
        """Run the call once. A failure of the tool is an Outcome, never an exception.

        Cancelling stops an async tool and re-raises; a note on the CancelledError says when a sync one may still run.

        Raises:
            TypeError: `allowed` is not an Allowed.
            AlreadySpent: it was used before.
        """
        if type(allowed) is not Allowed:
            raise TypeError(f"run() takes an Allowed, not {type(allowed).__name__}: a call needs a decision first")
        call = allowed.spend()
        async with self._slots:
            start = time.perf_counter()
            status, text, limit = await self._attempt(call)
            output, truncated = cap(text, limit)
            return Outcome(status, output, truncated, (time.perf_counter() - start) * 1000)

    async def _attempt(self, call: Call) -> tuple[Literal["done", "error", "timeout", "cancelled"], str, int]:
        limit = 20_000
        try:
            tool = self._toolbox.get(call.name)
            limit = tool.output_cap
            work = self._start(tool, tool.parse(call.arguments_json))
            if not await self._wait(work, tool):
                return "timeout", f"{tool.name} took longer than {tool.timeout:g} s{self._leftover(work, tool)}", limit
            return "done", to_text(work.result()), limit
        except asyncio.CancelledError:
            if (task := asyncio.current_task()) and task.cancelling():
                raise
            return "cancelled", f"{call.name} was cancelled from inside", limit
        except (ToolError, ToolboxError) as error:
            return "error", message(error), limit
        except Exception as error:  # noqa: BLE001 - a tool may raise anything; the model is told in one line
            _log.debug("tool %s failed", call.name, exc_info=True)
            return "error", one_line(error), limit

    def _start(self, tool: Tool, arguments: dict[str, Any]) -> asyncio.Future[Any]:
        if len(self._stuck) >= self._concurrency:
            raise ToolError(f"{len(self._stuck)} earlier calls were given up but still run: restart the program")
        resources = {name: self._resources[kind] for name, kind in tool.resources.items()}
        work = partial(tool.function, **arguments, **resources)
        return asyncio.ensure_future(_guarded(work)) if tool.is_async else in_thread(work, f"so8t-tool-{tool.name}")

    async def _wait(self, work: asyncio.Future[Any], tool: Tool) -> bool:
        """Whether the work ended in time; else it has been stopped as far as it can be."""
        try:
            done, _ = await asyncio.wait({work}, timeout=tool.timeout)
        except asyncio.CancelledError as error:
            await asyncio.shield(self._stop(work, tool))
            error.add_note(f"{tool.name} was cancelled{self._leftover(work, tool)}")
            raise
        if not done:
            await self._stop(work, tool)
        return bool(done)

    async def _stop(self, work: asyncio.Future[Any], tool: Tool) -> None:
        if tool.is_async:
            work.cancel()
            await asyncio.wait({work}, timeout=GRACE)
        if not work.done():
            self._stuck.add(work)
        work.add_done_callback(self._forget)

    def _forget(self, work: asyncio.Future[Any]) -> None:
        self._stuck.discard(work)
        if not work.cancelled():
            work.exception()  # retrieved, so that asyncio does not complain about it

    def _leftover(self, work: asyncio.Future[Any], tool: Tool) -> str:
        if work in self._stuck:
            return "; it cannot be stopped and may still be running"
        return " and was stopped" if tool.is_async else "; it ended only then, and its result is lost"


async def _guarded(work: partial[Any]) -> Any:
    try:
        return await work()
    except SystemExit as error:  # a task would take the whole loop down with it
        raise RuntimeError(f"SystemExit: {error}") from None
