"""A whole agent made of real parts. Only native code is replaced: the backbone by one that reads marker words."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from marker import MarkerBackbone, opener, save_head
from so8t.agent import build, events
from so8t.agent.engines import Engine
from so8t.agent.engines.scripted import Scripted, ScriptedReply
from so8t.agent.ledger import Ledger
from so8t.agent.limits import Limits
from so8t.agent.loop import Agent
from so8t.agent.parts import Parts
from so8t.audit_db import Masker, ReviewQueue, SessionLock, Store, Trail
from so8t.gate.contract import new_id
from so8t.gate.gate import Gate
from so8t.gate.head import Head
from so8t.tools import Executor, Toolbox, tool

OWNER = "tester@here:/workspace"


@dataclass
class World:
    """What a test looks at."""

    agent: Agent
    trail: Trail
    queue: ReviewQueue
    ledger: Ledger
    seen: list[events.Event]
    effects: list[str]
    began: asyncio.Queue[str]  # `linger` says here that it began
    release: asyncio.Event  # lets `linger` end

    def of(self, kind: type[Any]) -> list[Any]:
        """The events of one kind."""
        return [event for event in self.seen if isinstance(event, kind)]

    def kinds(self) -> list[str]:
        """The kinds of the trail's records, in order, without messages and sessions."""
        return [r.kind for r in self.trail.records() if r.kind not in ("message", "session")]


@pytest.fixture
def replies() -> Callable[..., Scripted]:
    """An engine that answers with the given replies."""
    return lambda *items: Scripted([ScriptedReply.model_validate(item) for item in items])


@pytest.fixture
def script(folder: Path) -> Callable[..., None]:
    """The language model's next answers."""
    (folder / "agent.toml").write_text(
        '[model]\nengine = "scripted"\nscripted.file = "script.json"\n', encoding="utf-8"
    )
    return lambda *replies: (folder / "script.json").write_text(json.dumps(replies), encoding="utf-8") and None


@pytest.fixture
def head(tmp_path: Path) -> Head:
    return save_head(tmp_path / "head")


@pytest.fixture
def marker_gate(head: Head, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command line's gate decides by marker words, under the rules of agent.toml."""
    monkeypatch.setattr(build, "open_gate", opener(head))


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Callable[[], Store]]:
    """Opens the same database again and again, as restarted programs do."""
    opened: list[Store] = []

    def open_again() -> Store:
        masker = Masker({"registered": "hunter2-secret"})
        opened.append(Store.open(f"sqlite:///{tmp_path / 'trail.db'}", masker, busy_seconds=0.5))
        return opened[-1]

    yield open_again
    for store in opened:
        store.close()


@pytest.fixture
def world(head: Head, database: Callable[[], Store]) -> Callable[..., Any]:
    """`async with world(engine) as w`: one program from start to end."""

    @asynccontextmanager
    async def start(engine: Engine, waiting: Limits | None = None, **limits: int) -> AsyncIterator[World]:
        effects: list[str] = []
        began: asyncio.Queue[str] = asyncio.Queue()
        release = asyncio.Event()

        @tool(effects={"read"})
        def peek(what: str) -> str:
            """Look at something."""
            return f"saw {what}"

        @tool(effects={"write"})
        def poke(what: str) -> str:
            """Change something."""
            effects.append(what)
            return f"poked {what}"

        @tool(effects={"write"})
        async def linger(what: str) -> str:
            """Change something slowly."""
            effects.append(f"{what} began")
            began.put_nowait(what)
            await release.wait()
            effects.append(f"{what} ended")
            return "done"

        toolbox = Toolbox([peek, poke, linger])
        store, session, seen = database(), new_id(), []
        with SessionLock(store, session):
            ledger = Ledger(store, session, OWNER, timedelta(hours=1), waiting)
            gate = Gate(MarkerBackbone(), head)
            gate.pin(toolbox.specs)
            parts = Parts(engine, gate, toolbox, Executor(toolbox), ledger, "be brief", **limits)
            await ledger.begin({"model": engine.name})
            agent = Agent(parts, seen.append)
            yield World(agent, Trail(store), ReviewQueue(store), ledger, seen, effects, began, release)
            await ledger.close()

    return start
