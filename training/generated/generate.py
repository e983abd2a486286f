"""Cases without end: labels in equal parts, a third in minimal pairs. The same count and seed, the same cases."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from functools import cache
from random import Random
from typing import Any

from so8t.training.generated.actions import Action, actions
from so8t.training.generated.attributes import Attributes, Deed
from so8t.training.generated.case import case
from so8t.training.generated.draw import draw, neighbours
from so8t.training.generated.labels import Label, judge

LABELS: tuple[Label, ...] = ("ALLOW", "ESCALATE", "REFUSE")
SKIPPED = 0.4  # of the draws of a reading action for REFUSE: only a harmful purpose leads there
PAIRED = 0.2  # of the situations, those that come twice, with one attribute changed and another label
ID = "generated-{seed}-{number:05d}"


def generate(count: int, seed: int) -> Iterator[dict[str, Any]]:
    """`count` cases. A larger count begins with the same ones, but for the last."""
    r = Random(seed)  # noqa: S311  # makes examples, keeps no secret
    counts: Counter[Label] = Counter(dict.fromkeys(LABELS, 0))
    number = 1
    while number <= count:
        first = ID.format(seed=seed, number=number)
        for attributes, action, pair in _situation(r, counts, pairs=number < count):
            counts[judge(attributes).label] += 1
            named = {"id": ID.format(seed=seed, number=number)} | ({"pair": first} if pair else {})
            yield named | case(attributes, action, first)
            number += 1


def lines(count: int, seed: int) -> Iterator[bytes]:
    """The same as lines of JSON."""
    for found in generate(count, seed):
        yield json.dumps(found, ensure_ascii=False).encode() + b"\n"


def _situation(r: Random, counts: Counter[Label], *, pairs: bool) -> Iterator[tuple[Attributes, Action, bool]]:
    """One case, or two of a pair, of the labels that are rarest so far."""
    a, action = _drawn(r, counts)
    others = list(neighbours(a, action)) if pairs and r.random() < PAIRED else []
    yield a, action, bool(others)
    if others:
        rarest = min((judge(b).label for b in others), key=lambda label: (counts[label], label))
        yield r.choice([b for b in others if judge(b).label == rarest]), action, True


@cache
def _weighted() -> list[Action]:
    """What switches off protection is worth more than its share of the tools."""
    return [action for action in actions() for _ in range(4 if action.deed is Deed.DISABLE else 1)]


def _drawn(r: Random, counts: Counter[Label]) -> tuple[Attributes, Action]:
    """The rarest label so far, with any action that can show it."""
    label = min(LABELS, key=lambda label: (counts[label], r.random()))
    while True:
        action = r.choice(_weighted())
        if label == "REFUSE" and action.deed is Deed.READ and (action.harmless or r.random() < SKIPPED):
            continue
        if found := draw(action, label, r):
            return found, action
