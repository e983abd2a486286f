"""What an agent is made of. agent/build.py makes it from the configuration; tests make it by hand."""

from __future__ import annotations

from dataclasses import dataclass

from so8t.agent.engines import Engine
from so8t.agent.ledger import Ledger
from so8t.gate.gate import Gate
from so8t.tools import Executor, Toolbox


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts and the budget of one turn."""

    engine: Engine
    gate: Gate
    toolbox: Toolbox
    executor: Executor
    ledger: Ledger
    system_prompt: str = ""
    max_steps: int = 8
    max_calls: int = 16
