"""A gate for the attacks: real rules, layers, windows and head, and a head that says ALLOW to everything but one word.

The backbone is a test double that marks which words occur: native code has tests of its own.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from so8t.gate.backbones import Pooled, Rendered
from so8t.gate.contract import Call, Message, Proposal, Thresholds, ToolSpec, Verdict
from so8t.gate.gate import Gate
from so8t.gate.head import Head
from so8t.gate.head_save import save
from so8t.gate.rules import Rules
from so8t.gate.windows import split

D = 64
BAD = "wreckage"  # what the head refuses
RULES = [
    {
        "name": "no-wipe",
        "tool": "*",
        "arguments": {"*": {"contains": "rm -rf"}},
        "decision": "refuse",
        "reason": "wiping is forbidden",
    },
    {
        "name": "no-override",
        "tool": "user_turn",
        "arguments": {"text": {"contains": "ignore all rules"}},
        "decision": "refuse",
        "reason": "no",
    },
]


def bucket(word: str) -> int:
    return hashlib.sha256(word.encode()).digest()[0] % D


class Words:
    id = "words@0"
    dimension = D

    def __init__(self) -> None:
        self.read: list[str] = []

    async def pool(self, rendered: Rendered) -> Pooled:
        windows = split(rendered, lambda text: len(text.split()), 80)
        self.read += windows
        vectors = np.zeros((len(windows), D), np.float32)
        for row, window in zip(vectors, windows, strict=True):
            row[bucket(BAD)] = BAD in window.lower().split()
        return Pooled(vectors, sum(len(w.split()) for w in windows), 0)

    async def close(self) -> None:
        return None


def save_head(folder: Path) -> Head:
    weight = np.zeros((3, D), np.float32)
    weight[2, bucket(BAD)] = 20.0
    arrays = {"output.weight": weight, "output.bias": np.array([9, 0, 0], np.float32)}
    limits, digest = Thresholds(0.8, 0.6), "0" * 64
    return save(folder, arrays, backbone=Words.id, temperature=1.0, thresholds=limits, training_data=digest, metrics={})


@pytest.fixture
def words() -> Words:
    return Words()


@pytest.fixture
def make_head() -> Callable[[Path], Head]:
    return save_head


@pytest.fixture
def gate(tmp_path: Path, words: Words) -> Gate:
    return Gate(words, save_head(tmp_path / "head"), Rules.load(RULES))


@pytest.fixture
def judge(gate: Gate) -> Callable[..., Verdict]:
    def run(spec: ToolSpec | None, arguments: Any, *messages: Message, user: str = "go on", name: str = "") -> Verdict:
        call = arguments if isinstance(arguments, Call) else Call.of(name or (spec.name if spec else "x"), arguments)
        return asyncio.run(gate.decide(Proposal((*messages, Message("user", user)), spec, call)))

    return run
