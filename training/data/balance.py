"""Rare labels count more: by weights in the loss, or by being drawn more often. Use one of the two, not both."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

CAP = 3.0
CLASSES = 4  # ALLOW, ESCALATE, REFUSE, UNSAFE


def class_weights(targets: Sequence[int], cap: float = CAP) -> NDArray[np.float32]:
    """(4,): N / (classes that occur * examples of the class), at most `cap`; 1 for a class that does not occur.

    Without the cap the mean over the examples is 1, and every class has the same sum ("balanced" in scikit-learn,
    after King and Zeng, "Logistic Regression in Rare Events Data", 2001). The cap keeps a handful of examples from
    being learned by heart.
    """
    counts = np.bincount(np.asarray(targets, np.int64), minlength=CLASSES)  # (4,)
    fair = len(targets) / (max(np.count_nonzero(counts), 1) * np.maximum(counts, 1))
    return np.where(counts > 0, np.minimum(fair, cap), 1.0).astype(np.float32)


def order(weights: NDArray[np.floating], seed: int, epoch: int) -> NDArray[np.int64]:
    """One epoch: N indices of N examples, each drawn in proportion to its weight. (N,) -> (N,).

    A pure function of its arguments: there is no state to save, a resumed run asks again. With equal weights it is a
    permutation. Systematic sampling (Madow 1949): how often an example comes differs from N * weight / sum of weights
    by less than 1, where independent draws would vary by its square root.
    """
    n = len(weights)
    dice = np.random.default_rng([seed, epoch])
    shuffled = dice.permutation(n)  # neighbours in the list are not drawn together
    ends = np.cumsum(np.asarray(weights, np.float64)[shuffled])
    points = (np.arange(n) + dice.random()) * (ends[-1] / n if n else 0)
    drawn = shuffled[np.minimum(np.searchsorted(ends, points, side="right"), n - 1)] if n else shuffled
    return dice.permutation(drawn)
