"""Temperature and thresholds: what the operator's bound means, and what happens where the cases cannot show it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from so8t.gate import head_decision
from so8t.gate.contract import Thresholds
from so8t.training.calibration import NothingToCalibrate, calibrate, decide, fit_temperature, judge, softmax
from so8t.training.evaluation.intervals import cases_needed, clopper_pearson_upper
from so8t.training.evaluation.judged import About
from so8t.training.evaluation.trade_off import trade_off

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def drawn(n: int, seed: int, pull: float = 2.0, unsafe: float = 0.0) -> tuple[Floats, Ints]:
    """Logits (n, 3) that mostly know their targets (n,)."""
    dice = np.random.default_rng(seed)
    targets = dice.integers(0, 3, n)
    logits = dice.normal(size=(n, 3))
    logits[np.arange(n), targets] += pull
    targets[(targets > 0) & (dice.random(n) < unsafe)] = 3
    return logits, targets


def false_allows(logits: Floats, targets: Ints, temperature: float, allow: float) -> int:
    got = decide(softmax(logits, temperature), Thresholds(allow, 0.5))
    return int(((got == 0) & (targets != 0)).sum())


@pytest.mark.parametrize("true", [0.5, 1.0, 3.0])
def test_the_temperature_that_spoiled_the_logits_is_found(true: float) -> None:
    dice = np.random.default_rng(1)
    honest = dice.normal(size=(20_000, 3)) * 2
    targets = np.array([dice.choice(3, p=row) for row in softmax(honest, 1.0)])
    assert fit_temperature(honest * true, targets) == pytest.approx(true, rel=0.05)


@pytest.mark.parametrize("unsafe", [0.0, 0.4])
def test_the_temperature_is_where_an_independent_search_finds_it(unsafe: float) -> None:
    logits, targets = drawn(500, 2, unsafe=unsafe)

    def cost(temperature: float) -> float:
        p = softmax(logits, temperature)
        picked = np.where(targets == 3, 1 - p[:, 0], p[np.arange(len(p)), np.minimum(targets, 2)])
        return float(-np.log(picked).mean())

    expected = minimize_scalar(cost, bounds=(0.3, 6), method="bounded", options={"xatol": 1e-8}).x
    assert fit_temperature(logits, targets) == pytest.approx(expected, rel=1e-4)


@given(st.lists(st.tuples(*[st.integers(0, 8)] * 3).filter(any), min_size=1, max_size=8), st.floats(0.1, 1.2))
def test_a_decision_is_the_gates_own_even_at_ties(rows: list[tuple[int, int, int]], threshold: float) -> None:
    p = np.array(rows, np.float64)
    p /= p.sum(-1, keepdims=True)
    thresholds = Thresholds(threshold, threshold)
    assert decide(p, thresholds).tolist() == [head_decision.decide(row[None], thresholds)[0] for row in p]


@given(st.integers(0, 10_000), st.sampled_from([0.02, 0.1, 0.3]), st.sampled_from([None, 0.8, 0.95]))
def test_the_allow_threshold_is_the_smallest_that_keeps_the_bound(seed: int, most: float, confidence: float) -> None:
    logits, targets = drawn(150, seed, unsafe=0.2)
    found = calibrate(logits, targets, most, confidence)
    n = int((targets != 0).sum())

    def keeps(count: int) -> bool:
        return count <= most * n if confidence is None else clopper_pearson_upper(count, n, confidence) <= most

    count = false_allows(logits, targets, found.temperature, found.thresholds.allow)
    assert count == found.bound.false_allows
    if found.thresholds.allow > 1:
        assert not keeps(0)
        assert found.notices
        return
    assert keeps(count)
    lower = float(np.nextafter(found.thresholds.allow, 0))
    more = false_allows(logits, targets, found.temperature, lower)
    assert found.thresholds.allow == 1 / 3 or not keeps(more)


def test_the_true_rate_is_beyond_the_bound_no_more_often_than_the_confidence_says() -> None:
    fresh, fresh_targets = drawn(20_000, 0)
    broken = 0
    for seed in range(1, 201):
        logits, targets = drawn(300, seed)
        found = calibrate(logits, targets, 0.05, 0.9)
        rate = (
            false_allows(fresh, fresh_targets, found.temperature, found.thresholds.allow) / (fresh_targets != 0).sum()
        )
        broken += rate > 0.05
    assert 1 <= broken <= 32  # 20 are expected; 0 would mean that the bound wastes cases


def test_the_plain_rate_breaks_the_bound_about_half_the_time() -> None:
    fresh, fresh_targets = drawn(20_000, 0)
    broken = 0
    for seed in range(1, 101):
        found = calibrate(*drawn(300, seed), 0.05)
        assert found.bound.upper is None
        rate = (
            false_allows(fresh, fresh_targets, found.temperature, found.thresholds.allow) / (fresh_targets != 0).sum()
        )
        broken += rate > 0.05
    assert 30 <= broken <= 75


@pytest.mark.parametrize(("most", "confidence", "needed"), [(0.05, 0.9, 45), (0.02, 0.95, 149)])
def test_with_too_few_cases_the_head_never_says_allow_and_says_how_many_are_needed(
    most: float, confidence: float, needed: int
) -> None:
    assert cases_needed(most, confidence) == needed
    sure = np.array([[9.0, 0, 0], [0, 9.0, 0], [0, 0, 9.0]])
    few = np.array([0] * 60 + [1, 2] * ((needed - 1) // 2) + [2] * ((needed - 1) % 2))
    found = calibrate(sure[few], few, most, confidence)
    assert found.thresholds.allow > 1
    assert not (decide(softmax(sure[few], found.temperature), found.thresholds) == 0).any()
    assert any(f"At least {needed} are needed" in notice for notice in found.notices)
    enough = np.append(few, 2)
    found = calibrate(sure[enough], enough, most, confidence)
    assert found.thresholds.allow <= 1
    assert not any("never says ALLOW" in notice for notice in found.notices)


def test_cases_of_one_pair_are_no_independent_evidence() -> None:
    targets = np.array([0] * 60 + [2] * 60)
    logits = np.array([[9.0, 0, 0], [0, 0, 0], [0, 0, 9.0]])[targets]
    alone = [f"case {i}" for i in range(120)]
    paired = [f"pair {i // 2}" for i in range(120)]
    assert calibrate(logits, targets, 0.05, 0.9, alone).thresholds.allow <= 1
    found = calibrate(logits, targets, 0.05, 0.9, paired)
    assert found.bound.cases == 30
    assert found.thresholds.allow > 1


@pytest.mark.parametrize("confidence", [None, 0.9])
def test_without_a_case_that_must_not_be_allowed_nothing_is_allowed(confidence: float | None) -> None:
    found = calibrate(np.tile([5.0, 0, 0], (50, 1)), np.zeros(50, np.int64), 0.05, confidence)
    assert found.thresholds.allow > 1
    assert found.curve is None
    assert any("never says ALLOW" in notice for notice in found.notices)


def test_scores_that_tie_are_allowed_or_kept_back_together() -> None:
    logits = np.tile([3.0, 0, 0], (40, 1))
    targets = np.array([0, 2] * 20)
    found = calibrate(logits, targets, 0.1)
    assert false_allows(logits, targets, found.temperature, found.thresholds.allow) == 0


def test_the_refuse_threshold_balances_the_recalls_of_refuse_and_escalate() -> None:
    refused = np.log(np.array([[0.1, 0.2, 0.7]]))
    escalated = np.log(np.array([[0.1, 0.4, 0.5]]))
    logits = np.concatenate([np.tile(refused, (50, 1)), np.tile(escalated, (50, 1))])
    targets = np.array([2] * 50 + [1] * 50)
    found = calibrate(logits, targets, 0.05)
    assert (decide(softmax(logits, found.temperature), found.thresholds) == targets).all()


@pytest.mark.parametrize("logits", [np.empty((0, 3)), np.array([[np.nan, 0, 0]]), np.array([[np.inf, 0, 0]])])
def test_nothing_to_calibrate_on_is_an_error(logits: Floats) -> None:
    with pytest.raises(NothingToCalibrate, match=r"data\.calibration"):
        calibrate(logits, np.zeros(len(logits), np.int64), 0.05, 0.9)


def test_a_temperature_at_its_edge_is_told() -> None:
    logits = np.eye(3)[np.arange(60) % 3] * 5
    assert any("temperature" in notice for notice in calibrate(logits, np.arange(60) % 3, 0.3).notices)
    assert calibrate(*drawn(500, 3), 0.1).notices == ()


@given(st.integers(0, 10_000))
def test_the_trade_off_curve_is_what_deciding_at_each_threshold_gives(seed: int) -> None:
    logits, targets = drawn(40, seed, pull=1.0, unsafe=0.3)
    p = softmax(logits, 1.0)
    curve = trade_off(p, targets)
    if curve is None:
        assert (targets != 0).all() or (targets == 0).all()
        return
    assert (np.diff(curve.allow) > 0).all()
    for allow, over, refusal in zip(curve.allow, curve.overcompliance, curve.over_refusal, strict=True):
        got = decide(p, Thresholds(float(allow), 0.5))
        assert over == pytest.approx((got[targets != 0] == 0).mean())
        assert refusal == pytest.approx((got[targets == 0] != 0).mean())


def test_judging_keeps_the_logits_so_that_thresholds_can_be_chosen_again() -> None:
    logits, targets = drawn(50, 4)
    judged = judge(logits, targets, [About(str(i)) for i in range(50)], 2.0, Thresholds(0.6, 0.5))
    assert judged.logits is logits
    assert (judged.decisions == decide(softmax(logits, 2.0), Thresholds(0.6, 0.5))).all()
