"""Which rows stand in which batch: rows of about one length together, cases and dialogues in a fixed proportion."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import ceil

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Sampler

from so8t.training.data.balance import order
from so8t.training.data.rows import Key, TrainingRows

POOL = 50  # batches whose rows are sorted by length together


class BatchesError(ValueError):
    """These rows cannot make such batches."""


class Batches(Sampler[list[Key]]):
    """A batch sampler. What it yields depends on the epoch and the seed alone: a resumed run gets the same batches.

    All batches are of one size, so that several processes can share them; the last ones repeat rows where it does not
    come out even. Each case comes once an epoch (in proportion to its weight, with `weights`).
    """

    drop_last = False  # accelerate looks at it

    def __init__(
        self,
        rows: TrainingRows,
        size: int,
        *,
        dialogue_share: float = 0.0,
        weights: Sequence[float] | NDArray[np.floating] | None = None,
        seed: int = 8,
    ) -> None:
        """Plan an epoch.

        Args:
            rows: the data set that the keys are for.
            size: rows of a batch.
            dialogue_share: of the rows of a batch, those that are dialogues.
            weights: one for each target (see balance.class_weights): rare labels are drawn more often; None: all alike.
            seed: of all draws.

        Raises:
            BatchesError: no case; a share of dialogues where there is none; no room for cases.
        """
        if rows.cases == 0 or size < 1:
            raise BatchesError("a batch needs at least one row, and there must be a case")
        if not 0 <= dialogue_share < 1 or (dialogue_share > 0) != (len(rows) > rows.cases):
            raise BatchesError(
                f"a dialogue share of {dialogue_share}, {len(rows) - rows.cases} dialogues: set both or none"
            )
        self.batch_size = size
        self._rows = rows
        self._share = dialogue_share
        self._seed = seed
        self._weights = np.ones(rows.cases) if weights is None else np.asarray(weights)[rows.targets]
        self._count = ceil(rows.cases / (size * (1 - dialogue_share)))
        self._epoch = 0

    def __len__(self) -> int:
        return self._count

    def set_epoch(self, epoch: int) -> None:
        """Which epoch comes next. The Trainer calls it."""
        self._epoch = epoch

    def __iter__(self) -> Iterator[list[Key]]:
        yield from self.of(self._epoch)

    def of(self, epoch: int) -> list[list[Key]]:
        """All batches of an epoch."""
        ends = np.floor(np.arange(self._count + 1) * self.batch_size * self._share + 1e-9).astype(
            int
        )  # dialogues so far
        starts = np.arange(self._count + 1) * self.batch_size - ends  # cases so far
        cases = self._bucketed(epoch, np.resize(order(self._weights, self._seed, epoch), starts[-1]), starts)
        others = len(self._rows) - self._rows.cases
        spoken = np.resize(order(np.ones(others), self._seed + 1, epoch), ends[-1]) + self._rows.cases
        talk = self._bucketed(epoch, spoken, ends)
        dice = np.random.default_rng([self._seed, epoch, 2])
        return [
            [(epoch, int(row)) for row in (*cases[starts[b] : starts[b + 1]], *talk[ends[b] : ends[b + 1]])]
            for b in dice.permutation(self._count)
        ]

    def _bucketed(self, epoch: int, numbers: NDArray[np.int64], bounds: NDArray[np.int64]) -> list[int]:
        """The rows of each POOL batches, sorted by length. `bounds` (B + 1): where a batch's rows begin."""
        edges = [*bounds[:-1:POOL], bounds[-1]]
        pools = (numbers[a:b].tolist() for a, b in pairwise(edges))
        return [n for pool in pools for n in sorted(pool, key=lambda n: (self._rows.length((epoch, n)), n))]
