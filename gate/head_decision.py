"""From probabilities to a decision: whatever is not clearly ALLOW or clearly REFUSE is ESCALATE."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from so8t.gate.contract import Decision, Thresholds
from so8t.gate.head import HeadFault


def decide(probabilities: NDArray[np.float64], thresholds: Thresholds) -> tuple[Decision, int]:
    """The strictest window's decision, and which window's probabilities to record.

    A window is ALLOW where that probability is the greatest, ties excluded, and reaches its threshold; REFUSE where
    p(REFUSE) is greater than p(ALLOW) and reaches its own; else ESCALATE. Recorded: of the windows with the strictest
    decision, the one with the least p(ALLOW).

    Args:
        probabilities: (W, 3), each row in the order ALLOW, ESCALATE, REFUSE and of sum 1.
        thresholds: the head's.

    Raises:
        HeadFault: a wrong shape, no window, or numbers that are no probabilities.
    """
    if probabilities.ndim != 2 or probabilities.shape[0] == 0 or probabilities.shape[1] != len(Decision):
        raise HeadFault(f"probabilities of shape {probabilities.shape}, not (W, {len(Decision)})")
    if not np.isfinite(probabilities).all() or (probabilities < 0).any():
        raise HeadFault("the head's numbers are no probabilities")
    if not np.allclose(probabilities.sum(axis=1), 1, atol=1e-6):
        raise HeadFault("the head's probabilities do not sum to 1")
    decisions = [_window(row, thresholds) for row in probabilities.tolist()]
    strictest = max(decisions)
    windows = [w for w, decision in enumerate(decisions) if decision is strictest]
    return strictest, min(windows, key=lambda w: float(probabilities[w, Decision.ALLOW]))


def _window(row: list[float], thresholds: Thresholds) -> Decision:
    allow, escalate, refuse = row
    if refuse > allow and refuse >= thresholds.refuse:
        return Decision.REFUSE
    if allow > max(escalate, refuse) and allow >= thresholds.allow:
        return Decision.ALLOW
    return Decision.ESCALATE
