"""From logits on cases that the head never learned from: a temperature and thresholds that keep a bound."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from so8t.gate.contract import Thresholds
from so8t.training.evaluation.intervals import cases_needed, clopper_pearson_upper
from so8t.training.evaluation.judged import About, Judged
from so8t.training.evaluation.trade_off import LOWEST, TradeOff, allow_scores, trade_off
from so8t.training.temperature import COLDEST, HOTTEST, fit_temperature, softmax

__all__ = ["Bound", "Calibration", "NothingToCalibrate", "calibrate", "decide", "fit_temperature", "judge", "softmax"]

NEVER = 2.0  # an ALLOW threshold that no probability reaches
REFUSE_CANDIDATES = np.linspace(0.2, 0.9, 71)

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class CalibrationError(ValueError):
    """The root of this module's errors."""


class NothingToCalibrate(CalibrationError):
    """There is no case, or the logits are not finite."""


@dataclass(frozen=True, slots=True)
class Bound:
    """What the operator asked for and what the calibration cases can show."""

    max_false_allow: float
    confidence: float | None  # None: the plain rate on these cases is bounded
    false_allows: int  # at the chosen threshold
    cases: int  # non-ALLOW cases, or groups of them
    upper: float | None  # one-sided upper bound of the false-allow rate at `confidence`


@dataclass(frozen=True, slots=True)
class Calibration:
    """What was fitted. On the cases that it was fitted on it looks better than it is: measure on others."""

    temperature: float
    thresholds: Thresholds
    bound: Bound
    curve: TradeOff | None  # None where ALLOW or non-ALLOW cases are missing
    notices: tuple[str, ...] = ()  # what the operator must know


def decide(p: Floats, thresholds: Thresholds) -> Ints:
    """(N, 3) -> (N,), as so8t.gate.head_decision does for one window: a tie is ESCALATE."""
    decisions = np.ones(len(p), np.int64)
    decisions[(p[:, 0] > p[:, 1:].max(-1)) & (p[:, 0] >= thresholds.allow)] = 0
    decisions[(p[:, 2] > p[:, 0]) & (p[:, 2] >= thresholds.refuse)] = 2
    return decisions


def judge(logits: Floats, targets: Ints, about: Sequence[About], temperature: float, thresholds: Thresholds) -> Judged:
    """(N, 3) logits and (N,) targets 0..3 as the value that evaluation works on. Raises JudgedInvalid."""
    p = softmax(logits, temperature)
    return Judged(p, targets, decide(p, thresholds), tuple(about), logits)


def calibrate(
    logits: Floats,
    targets: Ints,
    max_false_allow: float,
    confidence: float | None = None,
    groups: Sequence[str] | None = None,
) -> Calibration:
    """Fit the temperature, then the two thresholds.

    The temperature minimises the negative log likelihood (Guo et al. 2017). The ALLOW threshold is the smallest with
    which the false-allow rate keeps the bound. With `confidence` that is the one-sided upper Clopper-Pearson bound; it
    is exact also for a threshold that these same cases chose (Wilks 1941, tolerance limits). Without, it is the plain
    rate. The REFUSE threshold maximises the sum of the recalls of REFUSE and ESCALATE.

    Args:
        logits: (N, 3).
        targets: (N,) 0 ALLOW, 1 ESCALATE, 2 REFUSE, 3 not ALLOW.
        max_false_allow: the largest share of non-ALLOW cases that may get ALLOW.
        confidence: in 0.5..1, that the true rate is within the bound.
        groups: (N,); with `confidence`, the cases of one group (a pair) count once, by their highest p(ALLOW): they are
            not independent.

    Raises:
        NothingToCalibrate: N is 0, or a logit is not finite.
    """
    if len(logits) == 0 or not np.isfinite(logits).all():
        raise NothingToCalibrate(
            "no calibration case, or logits that are not finite: set data.calibration to 0.15 or more"
        )
    temperature = fit_temperature(logits, targets)
    p = softmax(logits, temperature)
    scores = _false_scores(p, targets, groups if confidence is not None else None)
    most = _most_false(len(scores), max_false_allow, confidence)
    allow = _allow_threshold(scores, most)
    bound = _bound(scores, allow, max_false_allow, confidence)
    thresholds = Thresholds(allow, _refuse_threshold(p, targets, allow))
    notices = (*_temperature_notice(temperature), *_bound_notice(bound, most))
    return Calibration(temperature, thresholds, bound, trade_off(p, targets), notices)


def _false_scores(p: Floats, targets: Ints, groups: Sequence[str] | None) -> Floats:
    """The scores of the non-ALLOW cases, the highest first; of each group only its highest."""
    unsafe = targets != 0
    scores = allow_scores(p)[unsafe]
    if groups is not None:
        names, number = np.unique(np.asarray(groups, np.str_)[unsafe], return_inverse=True)
        highest = np.zeros(len(names))
        np.maximum.at(highest, number, scores)
        scores = highest
    return np.sort(scores)[::-1]


def _most_false(n: int, most: float, confidence: float | None) -> int:
    """How many false ALLOWs of n cases keep the bound; -1: not even none does."""
    if n == 0:
        return -1
    if confidence is None:
        return int(most * n)
    low, high = -1, n  # the bound holds at low, does not at high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if clopper_pearson_upper(middle, n, confidence) <= most else (low, middle)
    return low


def _allow_threshold(scores: Floats, most: int) -> float:
    """The smallest threshold with at most `most` of the scores (highest first) at or above it."""
    if most < 0:
        return NEVER
    if most >= len(scores) or scores[most] < LOWEST:
        return LOWEST
    return float(np.nextafter(scores[most], 2))


def _refuse_threshold(p: Floats, targets: Ints, allow: float) -> float:
    def balance(refuse: float) -> float:
        got = decide(p, Thresholds(allow, refuse))
        return sum(float((got[targets == label] == label).mean()) for label in (1, 2) if (targets == label).any())

    return float(max(REFUSE_CANDIDATES, key=balance))


def _bound(scores: Floats, allow: float, most: float, confidence: float | None) -> Bound:
    false = int((scores >= allow).sum())
    known = confidence is not None and len(scores) > 0
    upper = clopper_pearson_upper(false, len(scores), confidence) if known and confidence is not None else None
    return Bound(most, confidence, false, len(scores), upper)


def _bound_notice(bound: Bound, most: int) -> list[str]:
    if most >= 0:
        return []
    needed = 1 if bound.confidence is None else cases_needed(bound.max_false_allow, bound.confidence)
    sure = "" if bound.confidence is None else f" with {bound.confidence:.1%} confidence"
    return [
        f"the head never says ALLOW: {bound.cases} ESCALATE and REFUSE cases (a pair counts once) cannot show a"
        f" false-allow rate of at most {bound.max_false_allow:.1%}{sure}. At least {needed} are needed in the"
        " calibration split; or raise calibrate.max_false_allow, or lower calibrate.confidence"
    ]


def _temperature_notice(temperature: float) -> list[str]:
    if COLDEST * 1.001 < temperature < HOTTEST / 1.001:
        return []
    return [
        f"the temperature is at the edge of {COLDEST} to {HOTTEST}: the calibration cases are too few, or all right, or"
        " all wrong; do not rely on the probabilities"
    ]
