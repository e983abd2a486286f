"""The three phases of PET and the end of the head's learning."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from so8t.training.schedule import HeadRate, PetSchedule, ScheduleInvalid

progress = st.floats(0, 1)


@pytest.mark.parametrize(
    ("at", "phase", "value"),
    [
        (0.0, "exploration", 0.0),
        (0.29999, "exploration", 0.0),
        (0.3, "transition", 0.1),
        (0.45, "transition", 0.15),
        (0.59999999, "transition", 0.2),
        (0.6, "stabilisation", 0.2),
        (1.0, "stabilisation", 0.2),
    ],
)
def test_by_default_lambda_is_0_then_ramps_from_a_tenth_to_a_fifth_then_stays(
    at: float, phase: str, value: float
) -> None:
    assert PetSchedule(strength=0.2).at(at) == pytest.approx(value)
    assert PetSchedule().phase(at) == phase


@given(st.floats(0, 3), progress)
def test_the_strength_holds_after_the_transition_and_caps_it(strength: float, at: float) -> None:
    found = PetSchedule(strength=strength)
    assert found.at(1.0) == strength
    assert found.at(at) <= max(strength, 0.0)
    assert found.at(at) <= PetSchedule(strength=strength + 1).at(at)


@given(progress)
def test_a_strength_of_0_switches_pet_off_everywhere(at: float) -> None:
    assert PetSchedule(strength=0).at(at) == 0


@given(st.tuples(progress, progress).map(sorted), st.tuples(progress, progress).map(sorted), progress)
def test_every_valid_schedule_is_finite_and_never_falls_before_its_last_phase(
    ends: list[float], ramp: list[float], at: float
) -> None:
    found = PetSchedule(2.0, ramp[0], ramp[1], ends[0], ends[1])
    values = [found.at(p) for p in sorted([at, at / 2, 1.0])]
    assert all(math.isfinite(v) and 0 <= v <= 2 for v in values)
    assert all(earlier <= later + 1e-12 for earlier, later in pairwise(values))


@pytest.mark.parametrize("at", [0.0, 0.5, 1.0])
def test_phases_may_be_empty(at: float) -> None:
    assert PetSchedule(explore_until=0, settle_until=0, strength=0.3).at(at) == 0.3
    assert PetSchedule(explore_until=1, settle_until=1).phase(at) == ("stabilisation" if at == 1 else "exploration")


BAD: list[tuple[dict[str, Any], str]] = [
    ({"strength": -0.1}, "strength is -0.1, it must be 0 or more"),
    ({"strength": math.nan}, "strength"),
    ({"strength": math.inf}, "strength"),
    ({"ramp_from": -1}, "ramp_from"),
    ({"ramp_from": 0.3}, "ramp_to is 0.2, it must be ramp_from 0.3 or more"),
    ({"ramp_to": math.inf}, "ramp_to"),
    ({"explore_until": 1.2}, "explore_until"),
    ({"explore_until": 0.7}, "settle_until is 0.6, it must be between explore_until 0.7 and 1"),
    ({"settle_until": math.nan}, "settle_until"),
]


@pytest.mark.parametrize(("values", "says"), BAD)
def test_an_impossible_pet_schedule_is_an_error_that_names_the_value(values: dict[str, Any], says: str) -> None:
    with pytest.raises(ScheduleInvalid, match=says):
        PetSchedule(**values)
    with pytest.raises(ValidationError, match=says):  # as a recipe reads it
        TypeAdapter(PetSchedule).validate_python(values)


@pytest.mark.parametrize("at", [-0.01, 1.01, math.nan])
def test_progress_outside_the_run_is_an_error(at: float) -> None:
    for ask in (PetSchedule().at, PetSchedule().phase, HeadRate().at):
        with pytest.raises(ScheduleInvalid, match="progress"):
            ask(at)


def test_the_heads_rate_is_full_then_lowered_then_0() -> None:
    found = HeadRate(lower_after=0.5, lowered=0.2, freeze_after=0.75)
    assert [found.at(p) for p in (0, 0.49, 0.5, 0.74, 0.75, 1)] == [1, 1, 0.2, 0.2, 0, 0]


def test_by_default_the_head_is_lowered_after_the_transition_and_frozen_at_the_end() -> None:
    assert [HeadRate().at(p) for p in (0.59, 0.6, 0.9)] == [1.0, 0.1, 0.0]


@given(progress)
def test_a_freeze_at_1_never_freezes(at: float) -> None:
    assert HeadRate(freeze_after=1).at(at) > 0
    assert HeadRate(lower_after=1, lowered=1, freeze_after=1).at(at) == 1


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"lower_after": 0.9}, "freeze_after is 0.85, it must be between lower_after 0.9 and 1"),
        ({"lower_after": -1}, "lower_after"),
        ({"lowered": 1.5}, "lowered"),
        ({"freeze_after": 1.5}, "freeze_after"),
        ({"freeze_after": math.nan}, "freeze_after"),
    ],
)
def test_an_impossible_head_rate_is_an_error_that_names_the_value(values: dict[str, Any], says: str) -> None:
    with pytest.raises(ScheduleInvalid, match=says):
        HeadRate(**values)
    with pytest.raises(ValidationError, match=says):
        TypeAdapter(HeadRate).validate_python(values)


def test_schedules_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        PetSchedule().strength = 1.0  # type: ignore[misc]  # what must fail
