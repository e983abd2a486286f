"""How far a figure may be from the truth, given how few cases it was measured on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Interval = tuple[float, float]
Floats = NDArray[np.float64]


def wilson(hits: int, total: int, confidence: float = 0.95) -> Interval:
    """Two-sided score interval of a share (Wilson, JASA 1927). `total` >= 1."""
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    share, spread = hits / total, z * z / total
    middle = (share + spread / 2) / (1 + spread)
    half = z / (1 + spread) * (share * (1 - share) / total + spread / (4 * total)) ** 0.5
    low = 0.0 if hits == 0 else max(0.0, middle - half)
    return low, 1.0 if hits == total else min(1.0, middle + half)


def clopper_pearson_upper(hits: int, total: int, confidence: float) -> float:
    """Exact one-sided upper bound of a share: there, so few hits have chance 1 - confidence (Clopper, Pearson 1934)."""
    if hits >= total:
        return 1.0
    k = np.arange(hits + 1)
    ways = np.concatenate([[0.0], np.cumsum(np.log((total - k[1:] + 1) / k[1:]))])  # (hits + 1,) log binomials
    low, high = hits / total, 1.0
    for _ in range(60):  # bisection: the chance falls as p rises
        p = (low + high) / 2
        if p >= 1.0:
            break
        at_most = np.exp(ways + k * np.log(p) + (total - k) * np.log1p(-p)).sum()
        low, high = (p, high) if at_most > 1 - confidence else (low, p)
    return high


def cases_needed(most: float, confidence: float) -> int:
    """How many cases without one hit show that a share is at most `most`: (1 - most)^n <= 1 - confidence."""
    n = max(1, int(np.ceil(np.log1p(-confidence) / np.log1p(-most))))
    while clopper_pearson_upper(0, n, confidence) > most:  # rounding
        n += 1
    return n


def bootstrap(
    groups: Sequence[str], figure: Callable[[Floats], Floats], *, resamples: int = 1000, seed: int = 0
) -> Floats:
    """`figure` of each resample. Whole groups are drawn with replacement, so that pairs stay together.

    Args:
        groups: (N,) the group of each case.
        figure: weights (N,), how often each case was drawn, to (K,) figures; NaN where a resample has none.

    Returns:
        (resamples, K), the same for the same seed.
    """
    _, group = np.unique(np.asarray(groups, dtype=np.str_), return_inverse=True)  # (N,)
    count = int(group.max()) + 1
    dice = np.random.default_rng(seed)
    drawn = (np.bincount(dice.integers(0, count, count), minlength=count) for _ in range(resamples))
    return np.stack([figure(times[group].astype(np.float64)) for times in drawn])


def percentile(values: Floats, around: float, floor: float = 0.0, confidence: float = 0.95) -> Interval | None:
    """Percentile interval (Efron 1979) of resampled `values`, moved by their mean's distance from the figure itself.

    The move takes out what resampling adds (calibration error grows in each resample). Clipped to floor..1. None where
    the resamples do not differ: a perfect score of few cases has an unknown interval, not an empty one.
    """
    known = values[np.isfinite(values)]
    if len(known) < 2 or np.ptp(known) < 1e-12:
        return None
    tail = (1 - confidence) / 2
    low, high = np.quantile(known, [tail, 1 - tail]) - (known.mean() - around)
    return float(min(around, max(low, floor))), float(max(around, min(high, 1.0)))
