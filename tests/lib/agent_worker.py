"""A busy agent that a test kills: real trail, queue, executor and loop; marker words stand in for the safety model.

Usage: agent_worker.py FOLDER. It forks one agent for each line `TURNS` that it reads, and prints the agent's process
number. TURNS is how many turns the agent takes before it ends by itself. FOLDER holds the head and the database; a
run of the tool `mark` appends its argument as one line to the file `effects` there.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
import threading
import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

from marker import MarkerBackbone
from so8t.agent.engines.scripted import Scripted, ScriptedReply
from so8t.agent.ledger import Ledger
from so8t.agent.loop import Agent
from so8t.agent.parts import Parts
from so8t.audit_db import Masker, ReviewQueue, SessionLock, Store
from so8t.audit_db.errors import NotPending
from so8t.gate.contract import new_id
from so8t.gate.gate import Gate
from so8t.gate.head import Head
from so8t.tools import Executor, Toolbox, tool

WORDS = ("plain", "plain", "grayword", "grayword", "blackword")  # allowed, for review, refused


def marking(file: Path) -> Toolbox:
    @tool(effects={"write"})
    def mark(text: str) -> str:
        """Leave a mark that outlives this program."""
        place = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(place, f"{text}\n".encode())
        os.fsync(place)
        os.close(place)
        return "marked"

    return Toolbox([mark])


def replies(turns: int) -> Scripted:
    """Each turn: one answer with several calls, each with a value of its own, then a word to the user."""
    script: list[dict[str, Any]] = []
    for _ in range(turns):
        words = random.choices(WORDS, k=random.randint(1, 6))
        calls = [{"name": "mark", "arguments": {"text": f"{word} {new_id()}{new_id()}"}} for word in words]
        script += [{"calls": calls}, {"text": "So it is."}]
    return Scripted([ScriptedReply.model_validate(item) for item in script])


def review(url: str) -> None:
    """A second hand: approves most of what waits, refuses the rest."""
    with Store.open(url, Masker()) as store:
        queue = ReviewQueue(store)
        while True:
            for item in queue.items("pending"):
                with suppress(NotPending):
                    if random.random() < 0.8:
                        queue.approve(item.id, item.digest, "ada")
                    else:
                        queue.refuse(item.id, "ada", "no")
            time.sleep(0.01)  # leaves the database to the agent


async def work(folder: Path, turns: int) -> None:
    url = f"sqlite:///{folder / 'trail.db'}"
    threading.Thread(target=review, args=(url,), daemon=True).start()
    toolbox, session = marking(folder / "effects"), new_id()
    with Store.open(url, Masker()) as store, SessionLock(store, session):
        ledger = Ledger(store, session, "tester@here", timedelta(hours=1))
        gate = Gate(MarkerBackbone(), Head.load(folder / "head"))
        gate.pin(toolbox.specs)
        agent = Agent(Parts(replies(turns), gate, toolbox, Executor(toolbox), ledger), lambda event: None)
        await ledger.begin({})
        for _ in range(turns):
            await agent.turn("mark it")
            await take_up(agent, ledger)
        while await ledger.waiting():
            await take_up(agent, ledger)
        await take_up(agent, ledger)
        await ledger.close()


async def take_up(agent: Agent, ledger: Ledger) -> None:
    for item in await ledger.news():
        await agent.reviewed(item)


def serve(folder: Path) -> None:
    """Fork an agent for each line; forking spares the imports, also those that the first use makes."""
    Store.open(f"sqlite:///{folder / 'trail.db'}", Masker()).close()
    for line in sys.stdin:
        if (child := os.fork()) == 0:
            random.seed()
            asyncio.run(work(folder, int(line)))
            os._exit(0)
        os.write(1, f"{child}\n".encode())
        _, status = os.waitpid(child, 0)
        os.write(1, f"{os.waitstatus_to_exitcode(status)}\n".encode())


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
