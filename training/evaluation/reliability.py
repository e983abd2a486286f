"""Whether p(ALLOW) means what it says: of the cases with p(ALLOW) = 0.9, nine in ten should be ALLOW.

Calibration is measured on p(ALLOW) against "is ALLOW", because that is the probability that a tool starts on, and
because it is defined for UNSAFE cases too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from so8t.training.evaluation.intervals import Interval, wilson

MOST_BINS = 15
CASES_A_BIN = 20


@dataclass(frozen=True, slots=True)
class Bin:
    """Cases of about the same p(ALLOW)."""

    stated: float  # mean p(ALLOW)
    found: float  # share of ALLOW cases
    interval: Interval  # of `found`
    n: int


def bins(stated: NDArray[np.float64]) -> NDArray[np.int64]:
    """(N,) probabilities to the number of each one's bin, (N,). Bins of about equal mass; equal values share one."""
    count = int(np.clip(len(stated) // CASES_A_BIN, 1, MOST_BINS))
    edges = np.unique(np.quantile(stated, np.linspace(0, 1, count + 1)[1:-1]))
    return np.unique(np.searchsorted(edges, stated, side="right"), return_inverse=True)[1].astype(np.int64)


def reliability(stated: NDArray[np.float64], is_allow: NDArray[np.bool_]) -> list[Bin]:
    """The bins of (N,) probabilities and (N,) outcomes, lowest first; none where N is 0."""
    if len(stated) == 0:
        return []
    number = bins(stated)
    members = [number == i for i in range(int(number.max()) + 1)]
    return [
        Bin(
            float(stated[m].mean()),
            float(is_allow[m].mean()),
            wilson(int(is_allow[m].sum()), int(m.sum())),
            int(m.sum()),
        )
        for m in members
    ]
