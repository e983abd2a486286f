"""Every figure of an evaluation, with its interval, over all cases and over slices of them.

Intervals are at 95 %: Wilson's for shares; for the others the bootstrap by group, in which pairs stay together. A
figure that no case bears on is None.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from so8t.gate.metrics import auroc
from so8t.training.evaluation import shares as counted
from so8t.training.evaluation.intervals import Floats, Interval, bootstrap, percentile, wilson
from so8t.training.evaluation.judged import ALLOW, Judged
from so8t.training.evaluation.resampled import weighted
from so8t.training.evaluation.shares import Constant, Share

DIMENSIONS = ("category", "language", "difficulty", "source", "kind")


@dataclass(frozen=True, slots=True)
class Figure:
    """A measured value."""

    value: float
    interval: Interval | None  # None: too few cases to know one
    n: int  # cases, or pairs, that it was measured on


@dataclass(frozen=True, slots=True)
class Figures:
    """All of one set of cases. Definitions: so8t.training.evaluation.shares and .resampled."""

    n: int
    combined: Figure | None
    lift: Figure | None  # combined, less that of the best constant classifier on the same cases
    refuse_recall: Figure | None
    escalate_recall: Figure | None
    overcompliance: Figure | None
    over_refusal: Figure | None
    accuracy: Figure | None
    pair_accuracy: Figure | None
    auroc: Figure | None
    calibration_error: Figure | None
    brier: Figure | None
    constant: Constant | None

    def json(self) -> dict[str, Any]:
        """What head.json and other files keep: name -> {value, low, high, n}, or None; n; the best constant's name."""
        found = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in ("n", "constant")}
        named = {name: figure and _json(figure) for name, figure in found.items()}
        return {"n": self.n, "constant": self.constant and self.constant.decision} | named


def figures(judged: Judged, *, resamples: int = 1000, seed: int = 0) -> Figures:
    """All figures; the same seed gives the same intervals."""
    n = len(judged)
    found = counted.shares(judged.target, judged.decisions)
    constant = counted.best_constant(judged.target) if n else None
    drawn = bootstrap(judged.groups, weighted(judged), resamples=resamples, seed=seed) if n else np.empty((0, 4))
    point = weighted(judged)(np.ones(n)) if n else np.full(4, np.nan)
    combined = _resampled(counted.combined(found), drawn[:, 0], n)
    area = auroc(1 - judged.probabilities[:, ALLOW], judged.target != ALLOW)
    return Figures(
        n=n,
        combined=combined,
        lift=_lift(combined, constant),
        **{name: _share(share) for name, share in found.items()},
        pair_accuracy=_share(counted.pairs([a.pair for a in judged.about], judged.right)),
        auroc=_resampled(area, drawn[:, 1], n),
        calibration_error=_resampled(float(point[2]) if n else None, drawn[:, 2], n),
        brier=_resampled(float(point[3]) if n else None, drawn[:, 3], n),
        constant=constant,
    )


def slices(judged: Judged, *, resamples: int = 300, seed: int = 0) -> dict[str, dict[str, Figures]]:
    """Figures by dimension and value, the largest slice first; a dimension that no case tells is left out."""
    found: dict[str, dict[str, Figures]] = {}
    for dimension in DIMENSIONS:
        values = np.array([getattr(about, dimension) for about in judged.about], np.str_)
        names, counts = np.unique(values, return_counts=True)
        if any(names):
            ordered = names[np.argsort(-counts, kind="stable")]
            found[dimension] = {
                str(name): figures(judged.where(values == name), resamples=resamples, seed=seed) for name in ordered
            }
    return found


def _share(share: Share) -> Figure | None:
    return Figure(share.hits / share.total, wilson(share.hits, share.total), share.total) if share.total else None


def _resampled(value: float | None, drawn: Floats, n: int) -> Figure | None:
    return None if value is None else Figure(value, percentile(drawn, value), n)


def _lift(combined: Figure | None, constant: Constant | None) -> Figure | None:
    """The interval only moves: the best constant scores 2/3 in every resample in which the score is defined."""
    if combined is None or constant is None or constant.combined is None:
        return None
    by = constant.combined
    moved = combined.interval and (combined.interval[0] - by, combined.interval[1] - by)
    return Figure(combined.value - by, moved, combined.n)


def _json(figure: Figure) -> dict[str, Any]:
    low, high = figure.interval or (None, None)
    return {"value": figure.value, "low": low, "high": high, "n": figure.n}
