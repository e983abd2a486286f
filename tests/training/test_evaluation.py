"""Figures of judged cases, against scikit-learn, SciPy and counting by hand; the file of judged cases."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import binomtest
from sklearn.metrics import brier_score_loss, roc_auc_score

from so8t.training.evaluation.figures import Figure, figures, slices
from so8t.training.evaluation.intervals import bootstrap, clopper_pearson_upper, percentile, wilson
from so8t.training.evaluation.judged import About, Judged, JudgedInvalid
from so8t.training.evaluation.judged_file import JudgedBroken, read, write
from so8t.training.evaluation.reliability import bins, reliability
from so8t.training.evaluation.resampled import NAMES, weighted
from so8t.training.evaluation.shares import best_constant, combined, confusion, shares


def made(n: int, seed: int = 0, pull: float = 1.5, paired: bool = True) -> Judged:
    """Cases whose probabilities mostly know the target; decisions are the likeliest."""
    dice = np.random.default_rng(seed)
    target = dice.choice(4, n, p=[0.4, 0.3, 0.25, 0.05])
    logits = dice.normal(size=(n, 3))
    logits[np.arange(n), np.minimum(target, 2)] += pull
    p = np.exp(logits)
    p /= p.sum(-1, keepdims=True)
    about = tuple(About(f"c{i}", pair=f"p{i // 2}" if paired and i % 5 else "", language="ja") for i in range(n))
    return Judged(p, target, p.argmax(-1), about, logits)


def small(*rows: tuple[int, int, float, str]) -> Judged:
    """Cases of (target, decision, p(ALLOW), pair)."""
    p = np.array([[allow, (1 - allow) / 2, (1 - allow) / 2] for _, _, allow, _ in rows]).reshape(-1, 3)
    about = tuple(About(f"c{i}", pair=row[3]) for i, row in enumerate(rows))
    return Judged(p, np.array([r[0] for r in rows], np.int64), np.array([r[1] for r in rows], np.int64), about)


def value(figure: Figure | None) -> float:
    assert figure is not None
    return figure.value


def test_every_share_of_a_small_table_by_hand() -> None:
    judged = small(
        (0, 0, 0.9, "a"), (0, 0, 0.8, "b"), (0, 1, 0.4, ""), (1, 1, 0.3, "a"), (1, 0, 0.7, "b"),
        (2, 2, 0.1, "c"), (2, 1, 0.2, "c"), (3, 1, 0.2, "d"), (3, 0, 0.6, "d"), (3, 2, 0.1, "alone"),
    )  # fmt: skip
    found = figures(judged)
    assert value(found.accuracy) == pytest.approx(6 / 10)
    assert value(found.refuse_recall) == 0.5
    assert value(found.escalate_recall) == 0.5
    assert value(found.overcompliance) == pytest.approx(2 / 7)
    assert value(found.over_refusal) == pytest.approx(1 / 3)
    assert value(found.combined) == pytest.approx((0.5 + 0.5 + 1 - 2 / 7) / 3)
    assert value(found.lift) == pytest.approx((0.5 + 0.5 + 1 - 2 / 7) / 3 - 2 / 3)
    assert (value(found.pair_accuracy), found.pair_accuracy and found.pair_accuracy.n) == (0.25, 4)
    assert confusion(judged.target, judged.decisions).tolist() == [[2, 1, 0], [1, 1, 0], [0, 1, 1], [1, 1, 1]]


@pytest.mark.parametrize("seed", range(4))
def test_auroc_and_brier_are_scikit_learns(seed: int) -> None:
    judged = made(200, seed)
    found = figures(judged, resamples=10)
    allow = judged.probabilities[:, 0]
    assert value(found.auroc) == pytest.approx(roc_auc_score(judged.target != 0, 1 - allow))
    assert value(found.brier) == pytest.approx(brier_score_loss(judged.target == 0, allow))


@given(st.integers(0, 1000))
def test_what_the_bootstrap_computes_with_weights_is_what_repeated_cases_give(seed: int) -> None:
    dice = np.random.default_rng(seed)
    judged = made(60, seed)
    p = dice.integers(0, 5, 60) / 10  # ties
    judged = Judged(np.stack([p, 1 - p, p * 0], 1), judged.target, judged.decisions, judged.about)
    times = dice.integers(0, 3, 60)
    got = dict(zip(NAMES, weighted(judged)(times.astype(np.float64)), strict=True))
    again = [i for i, k in enumerate(times) for _ in range(k)]
    target, score = judged.target[again], judged.probabilities[again, 0]
    assert got["auroc"] == pytest.approx(roc_auc_score(target != 0, 1 - score))
    assert got["combined"] == pytest.approx(combined(shares(target, judged.decisions[again])))
    assert got["brier"] == pytest.approx(((score - (target == 0)) ** 2).mean())


def test_calibration_error_by_hand() -> None:
    allow = np.repeat([0.1, 0.9], 20)
    is_allow = np.concatenate([np.arange(20) < 5, np.arange(20) < 16])
    rows = [(0 if flag else 2, 0, p, "") for p, flag in zip(allow, is_allow, strict=True)]
    assert value(figures(small(*rows)).calibration_error) == pytest.approx((0.15 + 0.1) / 2)
    found = reliability(allow, is_allow)
    assert [(b.n, round(b.stated, 6), b.found) for b in found] == [(20, 0.1, 0.25), (20, 0.9, 0.8)]


@given(st.lists(st.integers(0, 50), min_size=1, max_size=400))
def test_equal_probabilities_share_a_bin_and_bins_are_in_order(values: list[int]) -> None:
    stated = np.array(values) / 50
    number = bins(stated)
    order = np.argsort(stated, kind="stable")
    assert set(number.tolist()) == set(range(number.max() + 1))
    assert (np.diff(number[order]) >= 0).all()
    assert all(len(set(number[stated == v].tolist())) == 1 for v in set(stated.tolist()))
    assert number.max() + 1 <= max(1, len(values) // 20)


@given(st.integers(1, 500), st.floats(0, 1))
def test_the_intervals_of_shares_are_scipys(total: int, share: float) -> None:
    hits = round(share * total)
    expected = binomtest(hits, total).proportion_ci(0.95, method="wilson")
    assert wilson(hits, total) == pytest.approx((expected.low, expected.high), abs=1e-9)
    upper = binomtest(hits, total, alternative="less").proportion_ci(0.9, method="exact").high
    assert clopper_pearson_upper(hits, total, 0.9) == pytest.approx(upper, abs=1e-9)


def test_the_bootstrap_draws_whole_groups_and_repeats_itself_with_its_seed() -> None:
    groups = ["a", "b", "a", "c", "b", "a"]
    drawn = bootstrap(groups, lambda weights: weights, resamples=200, seed=5)
    assert (drawn[:, 0] == drawn[:, 2]).all()
    assert (drawn[:, 0] == drawn[:, 5]).all()
    assert (drawn[:, 1] == drawn[:, 4]).all()
    assert (drawn[:, [0, 1, 3]].sum(1) == 3).all()
    assert (drawn == bootstrap(groups, lambda weights: weights, resamples=200, seed=5)).all()
    assert (drawn != bootstrap(groups, lambda weights: weights, resamples=200, seed=6)).any()


def test_pairs_that_agree_make_an_interval_wider() -> None:
    alone = made(400, 1, paired=False)
    twins = [i // 2 for i in range(800)]
    about = tuple(About(f"c{i}", pair=f"p{i // 2}") for i in range(800))
    doubled = Judged(alone.probabilities[twins], alone.target[twins], alone.decisions[twins], about)
    single, paired = figures(alone).combined, figures(doubled).combined
    widths = [f.interval[1] - f.interval[0] for f in (single, paired) if f and f.interval]
    assert widths[1] == pytest.approx(widths[0], rel=0.15)  # independent cases would make it narrower by the root of 2


def test_the_bootstraps_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    truth = value(figures(made(100_000, 999, paired=False), resamples=2).combined)
    held = 0
    for seed in range(100):
        found = figures(made(150, seed), resamples=200).combined
        assert found
        assert found.interval
        held += found.interval[0] <= truth <= found.interval[1]
    assert 86 <= held <= 100


@given(st.lists(st.integers(0, 3), min_size=1, max_size=30))
def test_no_constant_classifier_is_better_than_the_best_one(targets: list[int]) -> None:
    target = np.array(targets, np.int64)
    best = best_constant(target)
    for decision in range(3):
        other = combined(shares(target, np.full_like(target, decision)))
        assert (best.combined or 0) >= (other or 0) - 1e-9
    if {1, 2} <= set(targets):
        assert best.combined == pytest.approx(2 / 3)


def test_without_cases_every_figure_is_none() -> None:
    found = figures(small())
    assert found.n == 0
    assert {v for k, v in found.json().items() if k != "n"} == {None}
    assert slices(small()) == {}


@pytest.mark.parametrize("target", range(4))
def test_with_one_label_only_what_needs_the_others_is_none(target: int) -> None:
    found = figures(small(*[(target, d, p, "") for d, p in ((0, 0.9), (1, 0.3), (2, 0.1))]))
    assert found.combined is None
    assert found.lift is None
    assert found.auroc is None
    assert found.pair_accuracy is None
    assert (found.over_refusal is None) == (target != 0)
    assert (found.overcompliance is None) == (target == 0)
    assert (found.refuse_recall is None) == (target != 2)
    assert found.accuracy is not None
    json.dumps(found.json(), allow_nan=False)


def test_a_perfect_score_of_few_cases_claims_no_interval_of_width_zero() -> None:
    found = figures(small((0, 0, 0.9, ""), (1, 1, 0.2, ""), (2, 2, 0.1, ""), (1, 1, 0.2, "")))
    assert found.combined == Figure(1.0, None, 4)
    assert found.auroc == Figure(1.0, None, 4)
    assert found.accuracy
    assert found.accuracy.interval
    assert found.accuracy.interval[0] < 0.6
    assert percentile(np.full(9, np.nan), 0.5) is None


@given(st.integers(0, 500), st.integers(1, 40))
def test_intervals_hold_their_value_and_stay_in_range(seed: int, n: int) -> None:
    for name, found in figures(made(n, seed), resamples=30).json().items():
        if isinstance(found, dict) and found["low"] is not None:
            assert found["low"] <= found["value"] <= found["high"], name
            assert (-2 / 3 if name == "lift" else 0) - 1e-9 <= found["low"] <= found["high"] <= 1, name


def test_slices_divide_the_cases_and_leave_out_what_no_case_tells() -> None:
    base = made(90)
    about = tuple(
        About(a.id, category=("files", "", "金融")[i % 3], kind="turn" if i % 2 else "call")
        for i, a in enumerate(base.about)
    )
    found = slices(Judged(base.probabilities, base.target, base.decisions, about), resamples=10)
    assert set(found) == {"category", "kind"}
    assert {name: f.n for name, f in found["category"].items()} == {"files": 30, "": 30, "金融": 30}
    assert sum(f.n for f in found["kind"].values()) == 90


def test_figures_repeat_themselves() -> None:
    assert figures(made(80)) == figures(made(80))


# --- the file -----------------------------------------------------------------------------------------------------

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@given(
    st.lists(st.builds(About, id=TEXT, category=TEXT, pair=TEXT, text=TEXT, rationale=TEXT, language=TEXT), min_size=1),
    st.booleans(),
)
def test_judged_cases_come_back_from_their_file_as_they_were(
    tmp_path_factory: pytest.TempPathFactory, about: list[About], with_logits: bool
) -> None:
    file = tmp_path_factory.mktemp("judged") / "judged.jsonl"
    base = made(len(about), len(about))
    judged = Judged(base.probabilities, base.target, base.decisions, tuple(about), base.logits if with_logits else None)
    write(file, judged)
    found = read(file)
    assert found.about == judged.about
    assert (found.probabilities == judged.probabilities).all()
    assert (found.target == judged.target).all()
    assert (found.decisions == judged.decisions).all()
    assert (found.logits is None) == (not with_logits)
    assert found.logits is None or (found.logits == base.logits).all()


GOOD = '{"id": "a", "target": "REFUSE", "decision": "ALLOW", "probabilities": [0.5, 0.25, 0.25]}'


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ("", "holds no case"),
        ("\n\n", "holds no case"),
        (f"{GOOD}\n{{", "line 2: not JSON"),
        (f"{GOOD}\n\n[1]", "line 3"),
        (GOOD.replace("REFUSE", "SAFE"), "line 1: target"),
        (GOOD.replace('"ALLOW"', '"UNSAFE"'), "line 1: decision"),
        (GOOD.replace("0.5,", "0.6,"), "sum to 1"),
        (GOOD.replace("[0.5", "[-0.5, 1"), "line 1: probabilities"),
        (GOOD.replace("0.5, 0.25, 0.25", "1.5, -0.25, -0.25"), "negative"),
        (GOOD.replace("0.5", "NaN"), "line 1"),
        (GOOD.replace('"id"', '"colour": "red", "id"'), "line 1: colour"),
        (GOOD.replace('"id": "a", ', ""), "line 1: id"),
        (GOOD.replace("}", ', "kind": "dream"}'), "line 1: kind"),
        (GOOD.replace("}", ', "text": "\\ud800"}'), "line 1: text holds a lone surrogate"),
        (GOOD + "\n" + GOOD.replace("}", ', "logits": [1, 2, 3]}'), "1 of 2 lines have logits"),
    ],
)
def test_a_broken_file_is_an_error_that_says_where(tmp_path: Path, lines: str, says: str) -> None:
    file = tmp_path / "judged.jsonl"
    file.write_text(lines, encoding="utf-8")
    with pytest.raises(JudgedBroken) as error:
        read(file)
    assert str(file) in str(error.value)
    assert says in str(error.value)


def test_a_file_that_is_no_text_or_is_not_there_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe\n")
    with pytest.raises(JudgedBroken, match="line 1: not UTF-8"):
        read(tmp_path / "binary")
    with pytest.raises(JudgedBroken, match="cannot be read"):
        read(tmp_path / "nowhere")


THIRD = np.full((1, 3), 1 / 3)


@pytest.mark.parametrize(
    ("p", "target", "decision"),
    [
        (THIRD[0], [0], [0]),
        (THIRD, [0, 1], [0]),
        (THIRD, [4], [0]),
        (THIRD, [0], [3]),
        (THIRD * np.nan, [0], [0]),
        (THIRD * 2, [0], [0]),
    ],
)
def test_arrays_that_do_not_fit_are_an_error(p: NDArray[np.float64], target: list[int], decision: list[int]) -> None:
    with pytest.raises(JudgedInvalid):
        Judged(p, np.array(target, np.int64), np.array(decision, np.int64), (About("a"),))
