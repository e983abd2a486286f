"""From logits on unseen cases to a temperature and thresholds that keep an operator's bound."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from so8t.gate.contract import Thresholds


@dataclass(frozen=True, slots=True)
class Calibration:
    """What was fitted. On the cases that it was fitted on it looks better than it is: measure on others."""

    temperature: float
    thresholds: Thresholds


def softmax(logits: NDArray[np.float64], temperature: float) -> NDArray[np.float64]:
    """(N, 3) -> (N, 3)."""
    scaled = logits / temperature
    powers = np.exp(scaled - scaled.max(-1, keepdims=True))
    result: NDArray[np.float64] = powers / powers.sum(-1, keepdims=True)
    return result


def calibrate(logits: NDArray[np.float64], targets: NDArray[np.int64], max_false_allow: float) -> Calibration:
    """Fit on (N, 3) logits and (N,) targets 0..2 (3: not ALLOW).

    The temperature minimises the negative log likelihood (Guo et al. 2017). The ALLOW threshold is the smallest with
    which at most `max_false_allow` of the non-ALLOW cases get ALLOW; the REFUSE threshold maximises the sum of the
    recalls of REFUSE and ESCALATE.
    """
    temperature = _temperature(logits, targets)
    p = softmax(logits, temperature)
    best = p.argmax(-1)
    false = np.sort(p[(targets != 0) & (best == 0), 0])[::-1]  # p(ALLOW) of the cases that must not get it
    most = int(max_false_allow * (targets != 0).sum())
    allow = float(np.nextafter(false[most], 2)) if len(false) > most else 1 / 3
    refuse = max(np.linspace(0.34, 0.9, 57), key=lambda t: _balance(p, targets, allow, float(t)))
    return Calibration(temperature, Thresholds(allow, float(refuse)))


def decide(p: NDArray[np.float64], thresholds: Thresholds) -> NDArray[np.int64]:
    """(N, 3) -> (N,), as gate.head.decide does for one window."""
    best = p.argmax(-1)
    decisions = np.ones(len(p), np.int64)
    decisions[(best == 0) & (p[:, 0] >= thresholds.allow)] = 0
    decisions[(best == 2) & (p[:, 2] >= thresholds.refuse)] = 2
    return decisions


def _temperature(logits: NDArray[np.float64], targets: NDArray[np.int64]) -> float:
    def cost(temperature: float) -> float:
        p = softmax(logits, temperature)
        picked = np.concatenate([p, p[:, 1:].sum(-1, keepdims=True)], -1)[np.arange(len(p)), targets]
        return float(-np.log(np.maximum(picked, 1e-12)).mean())

    return float(min(np.geomspace(0.3, 6, 200), key=lambda t: cost(float(t))))


def _balance(p: NDArray[np.float64], targets: NDArray[np.int64], allow: float, refuse: float) -> float:
    got = decide(p, Thresholds(allow, refuse))
    recalls = [float((got[targets == label] == label).mean()) for label in (1, 2) if (targets == label).any()]
    return sum(recalls)
