"""Each guard stops a run that went wrong, says what to change, and lets a healthy run through."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from so8t.training.guards import (
    FIRST_STEPS,
    Guards,
    NotFinite,
    NotLearning,
    OneClassOnly,
    OutOfMemory,
    TermDominates,
    TrainingStopped,
)
from so8t.training.losses import Coefficients, compose, safety_terms

BALANCED = {"sft": 0.5, "safety": 0.25, "penalty": 0.1, "escalate": 0.05, "pet": 0.1}
PET_ALONE = {"sft": 0.0, "safety": 0.02, "penalty": 0.0, "escalate": 0.0, "pet": 0.98}
MIXED = {"allow": 40, "escalate": 35, "refuse": 25}
LATER = FIRST_STEPS + 1
GUESSING = math.log(3)


def shares_at(right: float, alpha: float = 2.0) -> dict[str, float]:
    """The shares of a batch of all three labels whose right decisions get the probability `right`."""
    target = torch.tensor([0, 1, 2])
    p = torch.full((3, 3), (1 - right) / 2)
    p[range(3), target] = right
    terms = safety_terms(p.log(), target, torch.ones(3))
    return compose(Coefficients(alpha=alpha, unusual=True), terms).shares


def steps(guards: Guards, shares: dict[str, float], number: int, first: int = 1) -> None:
    for step in range(first, first + number):
        guards.step(step, 1.0, 1.0, shares)


def test_a_healthy_run_goes_through() -> None:
    guards = Guards()
    for step in range(1, 1001):
        guards.step(step, 5.0 / step, 20.0 / step, BALANCED)
        if step % 50 == 0:
            guards.evaluation(MIXED, 1.2 / math.log(step), 0.8, step, step / 1000)


@given(st.floats(1 / 3, 0.999999))
def test_no_degree_of_learning_is_a_term_that_dominates(right: float) -> None:
    steps(Guards(), shares_at(right), 100)


def test_the_reward_outgrows_the_costs_in_a_run_that_has_learnt_and_that_is_no_fault() -> None:
    shares = shares_at(0.99)
    assert shares["escalate"] > Guards().most_of_loss
    steps(Guards(), shares, 100)


@pytest.mark.parametrize(
    ("loss", "gradient"), [(math.nan, 1.0), (math.inf, 1.0), (-math.inf, 1.0), (1.0, math.nan), (1.0, math.inf)]
)
def test_a_loss_or_gradient_that_is_no_number_stops_at_once(loss: float, gradient: float) -> None:
    with pytest.raises(NotFinite, match=r"step 7: .*halve train\.body_rate and train\.head_rate.*float32"):
        Guards().step(7, loss, gradient, BALANCED)


def test_a_negative_loss_and_a_gradient_of_zero_are_numbers() -> None:
    Guards().step(1, -0.9, 0.0, BALANCED)  # the reward may be larger than all costs


def test_a_term_that_dominates_stops_at_the_end_of_the_patience_and_no_step_before() -> None:
    guards = Guards(patience=20)
    steps(guards, PET_ALONE, 19)
    with pytest.raises(TermDominates, match=r"step 20: pet has been over 90% of the loss for 20 steps"):
        guards.step(20, 1.0, 1.0, PET_ALONE)


def test_one_balanced_step_and_the_patience_begins_anew() -> None:
    guards = Guards(patience=5)
    for start in (1, 6, 11):
        steps(guards, PET_ALONE, 4, start)
        steps(guards, BALANCED, 1, start + 4)


def test_a_share_of_exactly_the_bound_does_not_count() -> None:
    steps(Guards(most_of_loss=0.9), {"safety": 0.1, "pet": 0.9}, 100)


def test_a_term_that_is_the_only_one_does_not_dominate_others() -> None:
    steps(Guards(), {"sft": 0.0, "safety": 1.0, "penalty": 0.0, "escalate": 0.0, "pet": 0.0}, 100)


@pytest.mark.parametrize(
    ("term", "advice"),
    [
        ("sft", "raise loss.alpha and loss.beta"),
        ("safety", "lower loss.alpha"),
        ("penalty", "lower loss.beta"),
        ("pet", "lower pet.strength"),
    ],
)
def test_what_to_change_is_a_key_of_the_recipe(term: str, advice: str) -> None:
    shares = dict.fromkeys(BALANCED, 0.01) | {term: 0.96}
    with pytest.raises(TermDominates) as stopped:
        steps(Guards(patience=2), shares, 2)
    assert str(stopped.value).endswith(f": {advice}, or raise guards.most_of_loss")


def test_a_coefficient_that_is_far_too_large_is_found_from_real_terms() -> None:
    steps(Guards(patience=3), shares_at(0.4, alpha=2.0), 3)
    with pytest.raises(TermDominates, match=r"lower loss\.alpha"):
        steps(Guards(patience=3), shares_at(0.4, alpha=200.0), 3)


def test_one_decision_for_all_stops_at_the_second_evaluation_in_a_row() -> None:
    guards, counts = Guards(), {"allow": 1, "escalate": 1, "refuse": 98}
    guards.evaluation(counts, 0.5, 0.8, LATER, 0.1)
    with pytest.raises(OneClassOnly, match=r"98 of 100 cases got refuse at two.*loss\.beta.*data\.balance.*all three"):
        guards.evaluation(counts, 0.5, 0.8, LATER + 50, 0.2)


def test_one_decision_for_all_at_one_evaluation_only_does_not_stop() -> None:
    guards, alone = Guards(), {"allow": 100, "escalate": 0, "refuse": 0}
    for step in range(LATER, LATER + 10, 2):
        guards.evaluation(alone, 0.5, 0.8, step, 0.2)
        guards.evaluation(MIXED, 0.5, 0.8, step + 1, 0.2)


def test_a_share_of_exactly_the_bound_is_not_one_decision_for_all() -> None:
    guards = Guards(one_class=0.97)
    for step in (LATER, LATER + 1, LATER + 2):
        guards.evaluation({"allow": 97, "escalate": 2, "refuse": 1}, 0.5, 0.8, step, 0.2)


def test_in_the_first_steps_a_new_head_may_say_one_thing_to_everything() -> None:
    guards, alone = Guards(), {"allow": 0, "escalate": 100, "refuse": 0}
    for step in range(10, FIRST_STEPS, 10):
        guards.evaluation(alone, 2.0, 0.8, step, step / 150)
    guards.evaluation(alone, 0.9, 0.8, FIRST_STEPS, 0.7)  # and what it said then is forgotten
    with pytest.raises(OneClassOnly):
        guards.evaluation(alone, 0.9, 0.8, FIRST_STEPS + 10, 0.8)


def test_a_loss_no_better_than_guessing_stops_after_a_third_of_the_run_and_not_before() -> None:
    guards = Guards()
    guards.evaluation(MIXED, GUESSING + 0.01, 0.55, LATER, 0.33)
    with pytest.raises(
        NotLearning, match=r"after 34% .*is 1\.11, guessing gives 1\.10,.*AUROC 0\.55.*raise train\.head_rate.*lora\.r"
    ):
        guards.evaluation(MIXED, GUESSING + 0.02, 0.5, LATER + 1, 0.34)


def test_a_loss_that_was_once_better_than_guessing_has_learnt() -> None:
    guards = Guards()
    guards.evaluation(MIXED, 0.8, 0.8, LATER, 0.2)
    guards.evaluation(MIXED, 1.5, 0.8, LATER + 1, 0.5)


def test_a_head_that_tells_the_cases_apart_has_learnt_though_its_loss_is_high() -> None:
    guards = Guards()
    guards.evaluation(MIXED, GUESSING + 0.2, 0.7, LATER, 0.5)
    guards.evaluation(MIXED, GUESSING + 0.2, 0.5, LATER + 1, 0.6)


def test_a_validation_loss_that_is_no_number_is_not_learning() -> None:
    with pytest.raises(NotLearning):
        Guards().evaluation(MIXED, math.nan, 0.5, LATER, 0.5)


def test_no_validation_cases_are_not_one_decision_for_all() -> None:
    guards = Guards()
    for step in (LATER, LATER + 1):
        guards.evaluation(dict.fromkeys(MIXED, 0), 0.5, 0.8, step, 0.5)


def test_too_little_memory_names_the_numbers_and_what_to_change() -> None:
    said = str(OutOfMemory(4, 160))
    assert "4 rows of up to 160 tokens" in said
    for key in ("train.micro_batch", "train.accumulation", "train.gradient_checkpointing", "data.longest", "nf4"):
        assert key in said


def test_every_guard_is_a_training_stopped() -> None:
    for stop in (NotFinite, TermDominates, OneClassOnly, NotLearning, OutOfMemory):
        assert issubclass(stop, TrainingStopped)
