"""What the ALLOW threshold trades: tools that start and should not, against people who are asked and need not be."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LOWEST = 1 / 3  # the greatest of three probabilities is never less

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class TradeOff:
    """What each ALLOW threshold costs: (K,) arrays, thresholds ascending."""

    allow: Floats  # thresholds
    overcompliance: Floats  # ALLOW among non-ALLOW cases
    over_refusal: Floats  # not ALLOW among ALLOW cases


def trade_off(p: Floats, targets: NDArray[np.int64]) -> TradeOff | None:
    """Both error rates at each threshold that changes one. (N, 3), (N,) -> curve, or None."""
    unsafe = targets != 0
    if not unsafe.any() or unsafe.all():
        return None
    scores = allow_scores(p)
    thresholds = np.append(np.unique(np.maximum(scores, LOWEST)), 1.01)
    wrong, right = (np.sort(scores[mask]) for mask in (unsafe, ~unsafe))
    over = 1 - np.searchsorted(wrong, thresholds, side="left") / len(wrong)
    return TradeOff(thresholds, over, np.searchsorted(right, thresholds, side="left") / len(right))


def allow_scores(p: Floats) -> Floats:
    """(N, 3) -> (N,): p(ALLOW) where it is the greatest, else 0: a case is ALLOW where this reaches the threshold."""
    return np.where(p[:, 0] > p[:, 1:].max(-1), p[:, 0], 0.0)
