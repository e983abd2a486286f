"""A safety model that reads marker words, in place of native code: the head, rules and gate around it are real."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import numpy as np

from so8t.agent.config import Config
from so8t.gate.backbones import BackboneFault, Pooled, Rendered
from so8t.gate.contract import Thresholds, ToolSpec
from so8t.gate.gate import Gate
from so8t.gate.head import Head
from so8t.gate.head_save import save
from so8t.gate.rules import Rules


class MarkerBackbone:
    """`grayword` looks like ESCALATE, `blackword` like REFUSE, `crashword` crashes; all else looks like ALLOW."""

    id = "marker:0"
    dimension = 3

    async def pool(self, rendered: Rendered) -> Pooled:
        text = " ".join((rendered.header, *rendered.body))
        if "crashword" in text:
            raise BackboneFault("the encoder died: SIGABRT")
        index = 2 if "blackword" in text else 1 if "grayword" in text else 0
        return Pooled(np.eye(3, dtype=np.float32)[[index]], tokens=10, unknown=0)

    async def close(self) -> None:
        pass


def save_head(folder: Path) -> Head:
    """A head for the markers, in a folder."""
    return save(
        folder,
        {"output.weight": 8 * np.eye(3, dtype=np.float32), "output.bias": np.zeros(3, np.float32)},
        backbone=MarkerBackbone.id,
        temperature=1.0,
        thresholds=Thresholds(allow=0.5, refuse=0.5),
        training_data="0" * 64,
        metrics={},
    )


def opener(head: Head) -> Callable[..., AbstractAsyncContextManager[Gate]]:
    """What stands in for build.open_gate: the gate with this head, under the rules of agent.toml."""

    @asynccontextmanager
    async def open_gate(config: Config, pinned: Sequence[ToolSpec] = ()) -> AsyncIterator[Gate]:
        chosen = config.settings.gate
        named = head if chosen.head == "default" else Head.load(Path(chosen.head))
        deciding = named.deciding_at(chosen.allow_threshold or None, chosen.refuse_threshold or None)
        gate = Gate(MarkerBackbone(), deciding, Rules(chosen.rule))
        gate.pin(pinned)
        yield gate

    return open_gate
