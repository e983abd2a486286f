"""No group is ever on both sides of a split, labels are in proportion, and nothing but examples and seed decides."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("torch")
pytest.importorskip("transformers")

from labelled import LABELS, example

from so8t.training.data.example import Example
from so8t.training.data.splits import (
    SharesWrong,
    SourceUnknown,
    SplitTooSmall,
    assign,
    folds,
    leave_one_category_out,
    leave_one_source_out,
    split,
    without,
)


@st.composite
def some_examples(draw: st.DrawFn) -> list[Example]:
    n = draw(st.integers(1, 40))
    return [
        example(
            str(i),
            draw(st.sampled_from(LABELS)),
            source=draw(st.sampled_from("stu")),
            category=draw(st.sampled_from("cde")),
            pair=draw(st.sampled_from(["", "p", "q", "r"])),
        )
        for i in range(n)
    ]


def realistic(n: int, seed: int = 1) -> list[Example]:
    """Groups of one to three, labels skewed."""
    dice = random.Random(seed)
    labels = dice.choices(LABELS, (60, 25, 10, 5), k=n)
    return [example(str(i), label, pair=f"g{dice.randrange(n * 2 // 3)}") for i, label in enumerate(labels)]


SHARES = st.lists(st.floats(0.05, 1), min_size=1, max_size=5).map(lambda raw: [x / sum(raw) for x in raw])


@given(some_examples(), SHARES, st.integers(0, 99))
def test_a_group_is_in_one_part_only(examples: list[Example], shares: list[float], seed: int) -> None:
    part = assign(examples, shares, seed)
    assert len(part) == len(examples)
    assert set(part.tolist()) <= set(range(len(shares)))
    parts: dict[str, set[int]] = {}
    for e, p in zip(examples, part.tolist(), strict=True):
        parts.setdefault(e.group, set()).add(p)
    assert all(len(found) == 1 for found in parts.values())


@given(some_examples(), SHARES, st.integers(0, 99), st.randoms())
def test_the_order_of_the_examples_does_not_matter(
    examples: list[Example], shares: list[float], seed: int, dice: random.Random
) -> None:
    before = {e.case.id: p for e, p in zip(examples, assign(examples, shares, seed), strict=True)}
    dice.shuffle(examples)
    assert {e.case.id: p for e, p in zip(examples, assign(examples, shares, seed), strict=True)} == before


@given(some_examples(), st.integers(0, 99))
def test_a_part_with_share_zero_gets_nothing(examples: list[Example], seed: int) -> None:
    assert set(assign(examples, [0.5, 0.0, 0.5], seed).tolist()) <= {0, 2}


def test_every_part_has_its_share_of_every_label() -> None:
    examples = realistic(2000)
    found = split(examples, validation=0.1, calibration=0.15, test=0.2)
    whole = Counter(e.target for e in examples)
    shares = {"train": 0.55, "validation": 0.1, "calibration": 0.15, "test": 0.2}
    for name, share in shares.items():
        there = Counter(e.target for e in getattr(found, name))
        for target, n in whole.items():
            assert abs(there[target] - share * n) <= 2, (name, target)
    assert sum(len(getattr(found, name)) for name in shares) == 2000


def test_another_seed_is_another_split_of_the_same_shape() -> None:
    examples = realistic(300)
    one, other, again = (split(examples, seed=seed) for seed in (1, 2, 1))
    assert one == again
    assert one.validation != other.validation
    assert abs(len(one.validation) - len(other.validation)) <= 3


def test_a_share_of_zero_is_an_empty_part_and_no_error() -> None:
    found = split(realistic(300), validation=0.2, calibration=0, test=0)
    assert (found.calibration, found.test) == ((), ())
    assert len(found.train) + len(found.validation) == 300


@pytest.mark.parametrize("shares", [(0.5, 0.5, 0.0), (-0.1, 0.2, 0.0), (0.9, 0.2, 0.0)])
def test_shares_that_leave_nothing_to_train_on_are_an_error(shares: tuple[float, float, float]) -> None:
    validation, calibration, test = shares
    with pytest.raises(SharesWrong, match="leave some to train on"):
        split(realistic(300), validation=validation, calibration=calibration, test=test)


def test_a_part_that_would_lack_a_label_is_an_error_that_says_which() -> None:
    examples = [e for e in realistic(300) if e.target != 2] + [example("r", "REFUSE"), example("r2", "REFUSE")]
    with pytest.raises(SplitTooSmall, match=r"validation: \d+ cases, none of them REFUSE: add such cases"):
        split(examples)


def test_each_example_is_held_out_in_one_fold_and_its_group_is_not_trained_on() -> None:
    examples = realistic(200)
    found = list(folds(examples, 4))
    assert sorted(e.case.id for fold in found for e in fold.held) == sorted(e.case.id for e in examples)
    for fold in found:
        assert not {e.group for e in fold.train} & {e.group for e in fold.held}
        assert len(fold.train) + len(fold.held) == 200
        assert abs(len(fold.held) - 50) <= 3


def test_impossible_folds_are_errors() -> None:
    with pytest.raises(SharesWrong, match="at least 2"):
        list(folds(realistic(50), 1))
    with pytest.raises(SplitTooSmall, match=r"fold \d+ of 30: .* or take fewer folds"):
        next(folds(realistic(50), 30))  # before the first model is trained


@given(some_examples())
def test_a_source_that_is_left_out_leaves_no_trace_in_training(examples: list[Example]) -> None:
    found = list(leave_one_source_out(examples))
    assert [fold.name for fold in found] == sorted({e.source for e in examples})
    for fold in found:
        assert {e.case.id for e in fold.held} == {e.case.id for e in examples if e.source == fold.name}
        assert not {e.group for e in fold.train} & {e.group for e in fold.held}
        kept = {e.case.id for e in fold.train}
        groups = {e.group for e in fold.held}
        assert kept == {e.case.id for e in examples if e.group not in groups}  # nothing else is thrown away


@given(some_examples())
def test_a_category_that_is_left_out_leaves_no_trace_in_training(examples: list[Example]) -> None:
    for fold in leave_one_category_out(examples):
        assert {e.case.category for e in fold.held} == {fold.name}
        assert not {e.group for e in fold.train} & {e.group for e in fold.held}
        assert fold.name not in {e.case.category for e in fold.train}


def test_sources_that_are_held_out_leave_nothing_of_their_groups_behind() -> None:
    kept = [example(f"k{i}", LABELS[i % 3], source="own") for i in range(9)]
    held = [example("h1", source="other", pair="p"), example("h2", "REFUSE", source="other")]
    partner = example("x", "REFUSE", source="own", pair="p")
    fold = without([*kept, *held, partner], ["other"])
    assert [e.case.id for e in fold.held] == ["h1", "h2"]
    assert [e.case.id for e in fold.train] == [e.case.id for e in kept]


def test_a_source_that_is_nowhere_or_that_leaves_too_little_is_an_error() -> None:
    examples = [example(f"k{i}", LABELS[i % 3], source="own") for i in range(9)]
    with pytest.raises(SourceUnknown, match="one of own"):
        without(examples, ["onw"])
    with pytest.raises(SplitTooSmall, match="fewer sources"):
        without(examples, ["own"])
