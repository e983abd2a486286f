"""One session: an agent with its parts, its place in the trail, and what earlier sessions left behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from so8t.agent import build, events
from so8t.agent.config import Config
from so8t.agent.engines import EngineError
from so8t.agent.ledger import Ledger
from so8t.agent.loop import Agent
from so8t.agent.parts import Parts
from so8t.audit_db import Record, SessionLock, Store
from so8t.gate.contract import new_id
from so8t.tools import Executor


@dataclass(frozen=True, slots=True)
class Session:
    """What the chat and `so8t run` work with."""

    id: str
    agent: Agent
    ledger: Ledger
    workspace: Path
    data: Path
    title: str  # model and gate, for the status bar


@asynccontextmanager
async def open_session(config: Config, emit: Callable[[events.Event], None]) -> AsyncIterator[Session]:
    """Build everything, say in the trail that a session began, and settle what a crash left open.

    Raises:
        The errors of agent/build.py: nothing has been started then.
    """
    settings = config.settings
    resources = build.open_resources(config)
    toolbox = build.open_toolbox(config, resources)
    engine = build.open_engine(config)
    id = new_id()
    with _trail(config) as store, SessionLock(store, id):
        async with build.open_gate(config, toolbox.specs) as gate:
            expires, most = timedelta(hours=settings.review.expires_hours), build.limits(config)
            ledger = Ledger(store, id, build.owner(config), expires, most)
            executor = Executor(toolbox, resources, settings.tools.concurrency)
            limits = settings.budget
            parts = Parts(
                engine, gate, toolbox, executor, ledger, settings.model.system_prompt, limits.steps, limits.calls
            )
            facts = {"model": engine.name, "head": settings.gate.head, "workspace": str(build.workspace_folder(config))}
            for left in await ledger.begin(facts):
                emit(events.Notice(_unknown(left)))
            warming = asyncio.create_task(_warm(parts))
            try:
                title = f"{engine.name} · gate {settings.gate.head}"
                yield Session(
                    id, Agent(parts, emit), ledger, build.workspace_folder(config), build.data_folder(), title
                )
            finally:
                warming.cancel()
                with suppress(asyncio.CancelledError):
                    await warming
                await engine.close()
                await ledger.close()


def _unknown(intent: Record) -> str:
    return (
        f"a call was running when so8t was killed: whether {intent.subject} took effect is UNKNOWN, "
        f"and it will not be tried again. See: so8t why {intent.subject}"
    )


async def _warm(parts: Parts) -> None:
    """Load the models while the user types; a failure shows when they are needed."""
    with suppress(EngineError):
        await parts.engine.start()


@contextmanager
def _trail(config: Config) -> Iterator[Store]:
    store = build.open_store(config)
    try:
        yield store
    finally:
        store.close()
