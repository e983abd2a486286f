"""Rare labels count more, within a cap; a drawn epoch depends on its number and the seed alone."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("sklearn")

from sklearn.utils.class_weight import compute_class_weight

from so8t.training.data.balance import class_weights, order

TARGETS = st.lists(st.integers(0, 3), min_size=1, max_size=200)
WEIGHTS = st.lists(st.floats(0.1, 3), min_size=1, max_size=100).map(np.array)


@given(TARGETS)
def test_without_a_cap_the_weights_are_those_of_scikit_learn(targets: list[int]) -> None:
    there = np.unique(targets)
    expected = compute_class_weight("balanced", classes=there, y=np.array(targets))
    assert class_weights(targets, cap=1e9)[there] == pytest.approx(expected)


@given(TARGETS, st.floats(1, 10))
def test_no_weight_is_above_the_cap_and_rarer_is_never_lighter(targets: list[int], cap: float) -> None:
    weights = class_weights(targets, cap)
    assert (weights <= np.float32(cap)).all()
    counts = np.bincount(targets, minlength=4)
    there = [c for c in np.argsort(counts) if counts[c]]
    assert all(weights[a] >= weights[b] for a, b in pairwise(there))


def test_on_skewed_data_every_label_has_the_same_say() -> None:
    targets = [0] * 600 + [1] * 300 + [2] * 200 + [3] * 100
    sums = np.bincount(targets, weights=class_weights(targets, cap=10)[targets])
    assert sums == pytest.approx([300] * 4)


def test_a_label_that_does_not_occur_weighs_one_and_changes_no_other() -> None:
    assert class_weights([0, 0, 0, 1, 2, 2]) == pytest.approx([2 / 3, 2, 1, 1])


def test_a_handful_of_examples_is_not_weighted_up_without_bound() -> None:
    assert class_weights([0] * 990 + [1] * 9 + [2])[2] == 3


@given(st.integers(0, 200), st.integers(0, 9), st.integers(0, 9))
def test_with_equal_weights_an_epoch_is_a_permutation(n: int, seed: int, epoch: int) -> None:
    assert sorted(order(np.ones(n), seed, epoch)) == list(range(n))


@given(WEIGHTS, st.integers(0, 9), st.integers(0, 9))
def test_each_example_is_drawn_as_often_as_its_weight_says_to_the_next_whole_number(
    weights: np.ndarray[tuple[int], np.dtype[np.float64]], seed: int, epoch: int
) -> None:
    times = np.bincount(order(weights, seed, epoch), minlength=len(weights))
    assert times.sum() == len(weights)
    assert (np.abs(times - len(weights) * weights / weights.sum()) < 1 + 1e-9).all()


def test_on_skewed_data_the_labels_are_drawn_alike() -> None:
    targets = np.array([0] * 700 + [1] * 200 + [2] * 100)
    drawn = targets[order(class_weights(targets.tolist(), cap=10)[targets], 8, 0)]
    assert np.abs(np.bincount(drawn) - 1000 / 3).max() < 40


def test_an_epoch_is_a_function_of_its_number_and_the_seed() -> None:
    weights = np.linspace(0.5, 2, 50)
    assert order(weights, 8, 3).tolist() == order(weights, 8, 3).tolist()
    assert order(weights, 8, 3).tolist() != order(weights, 8, 4).tolist()
    assert order(weights, 8, 3).tolist() != order(weights, 9, 3).tolist()
