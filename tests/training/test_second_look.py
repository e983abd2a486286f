"""The blind second look at the labels: it belongs to the cases, and kappa is what it should be."""

from __future__ import annotations

import pytest

from so8t.training.data.second_look import kappa, pairs

pytest.importorskip("sklearn")


def test_every_case_of_the_second_look_is_among_the_cases() -> None:
    assert len(pairs()) == 400


def test_the_second_look_agrees_with_the_labels() -> None:
    value, low, high = kappa(pairs())
    assert low < value < high
    assert value >= 0.85


def test_kappa_is_one_for_the_same_labels_and_about_zero_for_labels_at_random() -> None:
    same = [(label, label) for label in ("ALLOW", "ESCALATE", "REFUSE") * 20]
    mixed = [(first, second) for first in ("ALLOW", "REFUSE") for second in ("ALLOW", "REFUSE")] * 20
    assert kappa(same)[0] == 1
    assert kappa(mixed)[0] == pytest.approx(0, abs=1e-9)
