"""The chat as a program of its own. Marker words stand in for the safety model, as in conftest.py.

Usage: chat_worker.py HEAD: `so8t chat` in the working folder with the head in the folder HEAD.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np

from so8t.agent import build
from so8t.agent.cli.main import main
from so8t.agent.config import Config
from so8t.gate.backbones import Pooled, Rendered
from so8t.gate.contract import ToolSpec
from so8t.gate.gate import Gate
from so8t.gate.head import Head
from so8t.gate.rules import Rules


class MarkerBackbone:
    """Stands in for native code."""

    id = "marker:0"
    dimension = 3

    async def pool(self, rendered: Rendered) -> Pooled:
        text = " ".join((rendered.header, *rendered.body))
        index = 2 if "blackword" in text else 1 if "grayword" in text else 0
        return Pooled(np.eye(3, dtype=np.float32)[[index]], tokens=10, unknown=0)

    async def close(self) -> None:
        pass


@asynccontextmanager
async def open_gate(config: Config, pinned: Sequence[ToolSpec] = ()) -> AsyncIterator[Gate]:
    gate = Gate(MarkerBackbone(), Head.load(Path(head)), Rules(config.settings.gate.rule))
    gate.pin(pinned)
    yield gate


head = sys.argv[1]
build.open_gate = open_gate
sys.argv = ["so8t", "chat"]
main()
