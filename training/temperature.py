"""One number that makes probabilities honest: logits are divided by it (Guo et al. 2017, arXiv:1706.04599)."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

COLDEST, HOTTEST = 0.3, 6.0  # where it is looked for

Floats = NDArray[np.float64]


def softmax(logits: Floats, temperature: float) -> Floats:
    """(N, 3) -> (N, 3)."""
    scaled = logits / temperature
    powers = np.exp(scaled - scaled.max(-1, keepdims=True))
    result: Floats = powers / powers.sum(-1, keepdims=True)
    return result


def fit_temperature(logits: Floats, targets: NDArray[np.int64]) -> float:
    """The temperature in COLDEST..HOTTEST with the least negative log likelihood. (N, 3), (N,) -> T."""

    def cost(log_temperature: float) -> float:
        scaled = logits / math.exp(log_temperature)
        logs = scaled - np.logaddexp.reduce(scaled, -1, keepdims=True)
        unsafe = np.logaddexp(logs[:, 1], logs[:, 2])
        return float(-np.column_stack([logs, unsafe])[np.arange(len(logs)), targets].mean())

    return math.exp(_minimum(cost, math.log(COLDEST), math.log(HOTTEST)))


def _minimum(cost: Callable[[float], float], low: float, high: float, rounds: int = 60) -> float:
    """Golden-section search (Kiefer 1953) for the minimum of a function with one valley."""
    golden = (math.sqrt(5) - 1) / 2
    for _ in range(rounds):
        left, right = high - golden * (high - low), low + golden * (high - low)
        low, high = (low, right) if cost(left) <= cost(right) else (left, high)
    return (low + high) / 2
