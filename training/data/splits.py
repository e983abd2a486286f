"""Splits that keep groups whole and labels in proportion, and that depend on nothing but the examples and a seed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from so8t.gate.names import unknown
from so8t.training.data.example import LABELS, UNSAFE, Example


class SplitError(Exception):
    """The root of this module's errors."""


class SharesWrong(SplitError):
    """The shares are no shares, or leave nothing to train on."""


class SourceUnknown(SplitError):
    """No case is of this source. The message lists those there are."""


class SplitTooSmall(SplitError):
    """A part would lack one of the three labels."""


@dataclass(frozen=True, slots=True)
class Split:
    """Four parts that share no group."""

    train: tuple[Example, ...]
    validation: tuple[Example, ...]
    calibration: tuple[Example, ...]
    test: tuple[Example, ...]


@dataclass(frozen=True, slots=True)
class Fold:
    """What one model trains on, and what it has not seen anything of."""

    name: str
    train: tuple[Example, ...]
    held: tuple[Example, ...]


def split(
    examples: Sequence[Example], *, validation: float = 0.1, calibration: float = 0.15, test: float = 0.0, seed: int = 8
) -> Split:
    """By shares of the examples; what is left is for training.

    Raises:
        SharesWrong, SplitTooSmall (a share of 0 is an empty part, and no error).
    """
    names, shares = ("train", "validation", "calibration", "test"), (validation, calibration, test)
    if min(shares) < 0 or sum(shares) >= 1:
        raise SharesWrong(f"shares {shares} of validation, calibration, test must be >= 0 and leave some to train on")
    part = assign(examples, (1 - sum(shares), *shares), seed)
    parts = [tuple(e for e, p in zip(examples, part, strict=True) if p == n) for n in range(len(names))]
    for name, share, members in zip(names, (1.0, *shares), parts, strict=True):
        if share:
            _check(name, members, "enlarge its share")
    return Split(*parts)


def folds(examples: Sequence[Example], k: int, seed: int = 8) -> Iterator[Fold]:
    """k folds; each example is held out once. Raises SharesWrong, SplitTooSmall."""
    if k < 2:
        raise SharesWrong(f"{k} folds: at least 2 are needed")
    part = assign(examples, (1 / k,) * k, seed)
    held = [tuple(e for e, p in zip(examples, part, strict=True) if p == n) for n in range(k)]
    for n in range(k):  # all, before anything is trained
        _check(f"fold {n + 1} of {k}", held[n], "take fewer folds")
    for n in range(k):
        yield Fold(str(n + 1), tuple(e for e, p in zip(examples, part, strict=True) if p != n), held[n])


def leave_one_source_out(examples: Sequence[Example]) -> Iterator[Fold]:
    """A fold for each source, by name. Groups that reach into a held source are not trained on."""
    yield from _leave_out(examples, lambda e: e.source)


def without(examples: Sequence[Example], sources: Sequence[str]) -> Fold:
    """Everything of these sources held out, and from training whatever is of a group with it.

    Raises:
        SourceUnknown: no example is of one of them.
        SplitTooSmall: what is left to learn from lacks a label.
    """
    there = {e.source for e in examples}
    for name in sources:
        if name not in there:
            raise SourceUnknown(unknown("source", name, there))
    held = tuple(e for e in examples if e.source in sources)
    touched = {e.group for e in held}
    train = tuple(e for e in examples if e.group not in touched)
    _check("what is left to learn from", train, "hold out fewer sources")
    return Fold(", ".join(sources), train, held)


def leave_one_category_out(examples: Sequence[Example]) -> Iterator[Fold]:
    """A fold for each category, by name. Groups that reach into a held category are not trained on."""
    yield from _leave_out(examples, lambda e: e.case.category)


def assign(examples: Sequence[Example], shares: Sequence[float], seed: int) -> NDArray[np.int64]:
    """The part of each example, (N,): groups whole, labels in proportion, whatever order the examples come in.

    Greedy: the largest groups first, each to the part where it adds least to the sum over parts and labels of
    (have - want)^2 / want. Groups of one size come in an order drawn from the seed.
    """
    groups = _by(examples, lambda e: e.group)
    names = sorted(groups)
    counts = np.array([np.bincount([e.target for e in groups[name]], minlength=4) for name in names])  # (G, 4)
    dice = np.random.default_rng(seed).permutation(len(names))  # (G,)
    order = sorted(range(len(names)), key=lambda g: (-int(counts[g].sum()), int(dice[g])))
    want = np.maximum(np.outer(shares, counts.sum(axis=0)), 1e-9)  # (P, 4); a share of 0 costs more than any other
    have = np.zeros_like(want)
    part = {}
    for g in order:
        cost = (counts[g] * (2 * (have - want) + counts[g]) / want).sum(axis=1)  # (P,)
        part[names[g]] = int(cost.argmin())
        have[part[names[g]]] += counts[g]
    return np.array([part[e.group] for e in examples], np.int64)


def _leave_out(examples: Sequence[Example], key: Callable[[Example], str]) -> Iterator[Fold]:
    for name, held in sorted(_by(examples, key).items()):
        touched = {e.group for e in held}
        yield Fold(name, tuple(e for e in examples if e.group not in touched), tuple(held))


def _by(examples: Sequence[Example], key: Callable[[Example], str]) -> dict[str, list[Example]]:
    found: dict[str, list[Example]] = defaultdict(list)
    for example in examples:
        found[key(example)].append(example)
    return found


def _check(name: str, members: Sequence[Example], remedy: str) -> None:
    there = {e.target for e in members} - {UNSAFE}
    missing = [label for target, label in enumerate(LABELS) if target not in there]
    if missing:
        raise SplitTooSmall(
            f"{name}: {len(members)} cases, none of them {' or '.join(missing)}: add such cases, or {remedy}"
        )
