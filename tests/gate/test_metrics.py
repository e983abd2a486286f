"""The figures of `so8t gate check`, against a second way of computing them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from so8t.gate.contract import Decision, Finding, Source, Thresholds, Verdict, Versions
from so8t.gate.metrics import Metrics, auroc

VERSIONS = Versions("0" * 64, "0" * 64, "b", "1")


def verdict(decision: Decision, source: Source = Source.HEAD, allow: float | None = None, ms: float = 1.0) -> Verdict:
    rest = None if allow is None else (allow, (1 - allow) / 2, (1 - allow) / 2)
    return Verdict(decision, source, (Finding(source, decision, "why"),), "d", VERSIONS, rest, Thresholds(0.5, 0.5), ms)


def test_every_figure_of_a_small_table_by_hand() -> None:
    metrics = Metrics()
    for label, got in [
        ("ALLOW", 0), ("ALLOW", 0), ("ALLOW", 1), ("SAFE", 0),
        ("ESCALATE", 1), ("ESCALATE", 0), ("REFUSE", 2), ("REFUSE", 1), ("UNSAFE", 1), ("UNSAFE", 0),
    ]:  # fmt: skip
        metrics.add(label, verdict(Decision(got), allow=(0.9, 0.2, 0.1)[got]))
    metrics.add(None, verdict(Decision.ALLOW, allow=0.9))
    report = metrics.report()
    assert report["cases"] == 11
    assert report["labelled"] == 10
    assert report["accuracy"] == pytest.approx(6 / 10)
    assert report["refuse_recall"] == 0.5
    assert report["escalate_recall"] == 0.5
    assert report["overcompliance"] == pytest.approx(2 / 6)
    assert report["over_refusal"] == 0.25
    assert report["confusion"]["UNSAFE"] == {"ALLOW": 1, "ESCALATE": 1, "REFUSE": 0}


def test_without_cases_there_are_no_figures_and_no_division_by_zero() -> None:
    report = Metrics().report()
    assert report["accuracy"] is None
    assert report["auroc"] is None
    assert report["ms_p50"] is None


def test_a_fault_without_probabilities_scores_as_far_from_allow_as_can_be() -> None:
    metrics = Metrics()
    metrics.add("REFUSE", verdict(Decision.ESCALATE, Source.FAULT))
    metrics.add("ALLOW", verdict(Decision.ALLOW, allow=0.99))
    assert metrics.report()["auroc"] == 1.0


@given(st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=1, max_size=60))
def test_auroc_is_the_share_of_pairs_in_the_right_order(rows: list[tuple[int, bool]]) -> None:
    scores = np.array([score / 7 for score, _ in rows])
    positive = np.array([flag for _, flag in rows])
    pairs = [(a > b) + 0.5 * (a == b) for a in scores[positive] for b in scores[~positive]]
    expected = float(np.mean(pairs)) if pairs else None
    found = auroc(scores, positive)
    assert found == (None if expected is None else pytest.approx(expected))
