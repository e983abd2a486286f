"""A gate with a real head and real rules on a backbone that is a test double: native code has tests of its own."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from so8t.gate.backbones import Pooled, Rendered
from so8t.gate.contract import Effect, Proposal, Thresholds, ToolSpec, Verdict
from so8t.gate.gate import Gate
from so8t.gate.head_save import save
from so8t.gate.rules import Rules
from so8t.gate.settings import GateSettings
from so8t.gate.windows import split

DIMENSION = 16


def bucket(word: str) -> int:
    return hashlib.sha256(word.encode()).digest()[0] % DIMENSION


class WordBackbone:
    """Marks in each window's vector which words occur. Deterministic; limit: 60 words a window."""

    id = "words@0"
    dimension = DIMENSION

    def __init__(self) -> None:
        self.seen: list[Rendered] = []
        self.closed = 0
        self.unknown = 0

    async def pool(self, rendered: Rendered) -> Pooled:
        self.seen.append(rendered)
        windows = split(rendered, lambda text: len(text.split()), 60)
        vectors = np.zeros((len(windows), DIMENSION), np.float32)
        for row, window in zip(vectors, windows, strict=True):
            for word in window.lower().split():
                row[bucket(word)] = 1.0
        return Pooled(vectors, sum(len(w.split()) for w in windows), self.unknown)

    async def close(self) -> None:
        self.closed += 1


def weights(*, allow: float = 4.0, refuses: str | None = None) -> dict[str, NDArray[np.float32]]:
    """A linear head that says ALLOW, or REFUSE to a window with the word `refuses` in it."""
    weight = np.zeros((3, DIMENSION), np.float32)
    if refuses is not None:
        weight[2, bucket(refuses)] = 20.0
    return {"output.weight": weight, "output.bias": np.array([allow, 0.0, 0.0], np.float32)}


@pytest.fixture
def backbone() -> WordBackbone:
    return WordBackbone()


@pytest.fixture
def make_gate(tmp_path: Path, backbone: WordBackbone) -> Callable[..., Gate]:
    def make(
        rules: list[dict[str, Any]] | None = None,
        head: dict[str, Any] | None = None,
        content: Any = None,
        **settings: Any,
    ) -> Gate:
        saved = save(
            tmp_path / "head",
            weights(**(head or {})),
            backbone=WordBackbone.id,
            temperature=1.0,
            thresholds=Thresholds(0.8, 0.6),
            training_data="0" * 64,
            metrics={},
        )
        return Gate(backbone, saved, Rules.load(rules or []), GateSettings(**settings), content)

    return make


@pytest.fixture
def decide(make_gate: Callable[..., Gate]) -> Callable[..., Verdict]:
    def run(proposal: Proposal, **options: Any) -> Verdict:
        return asyncio.run(make_gate(**options).decide(proposal))

    return run


@pytest.fixture
def write_file() -> ToolSpec:
    return ToolSpec("write_file", "Save text to a file.", frozenset({Effect.WRITE}))


@pytest.fixture
def read_file() -> ToolSpec:
    return ToolSpec("read_file", "Show a file.", frozenset({Effect.READ}))
