"""How strongly PET counts and how fast the head learns, as functions of the share of the run that is over."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

Phase = Literal["exploration", "transition", "stabilisation"]


class ScheduleInvalid(ValueError):
    """A value of a schedule cannot be used. The message names it and says what is allowed."""


@dataclass(frozen=True, slots=True)
class PetSchedule:
    """lambda_pet(progress) in three phases.

        exploration     0                                until explore_until
        transition      from ramp_from to ramp_to        until settle_until
        stabilisation   strength                         to the end

    `strength` is a ceiling for the transition too: lowering it lowers lambda everywhere, and 0, the default, switches
    PET off: benchmarks/pet_ablation.py found no good in it.

    Raises:
        ScheduleInvalid: a value out of range.
    """

    strength: float = 0.0
    ramp_from: float = 0.1
    ramp_to: float = 0.2
    explore_until: float = 0.3
    settle_until: float = 0.6

    def __post_init__(self) -> None:
        _check(self.strength >= 0, "strength", self.strength, "0 or more")
        _check(self.ramp_from >= 0, "ramp_from", self.ramp_from, "0 or more")
        _check(self.ramp_to >= self.ramp_from, "ramp_to", self.ramp_to, f"ramp_from {self.ramp_from} or more")
        _check(0 <= self.explore_until <= 1, "explore_until", self.explore_until, "between 0 and 1")
        wanted = f"between explore_until {self.explore_until} and 1"
        _check(self.explore_until <= self.settle_until <= 1, "settle_until", self.settle_until, wanted)

    def phase(self, progress: float) -> Phase:
        """The phase at a share 0..1 of the run. Raises ScheduleInvalid for any other number."""
        _check(0 <= progress <= 1, "progress", progress, "between 0 and 1")
        if progress < self.explore_until:
            return "exploration"
        return "transition" if progress < self.settle_until else "stabilisation"

    def at(self, progress: float) -> float:
        """lambda_pet at a share 0..1 of the run. Raises ScheduleInvalid for any other number."""
        phase = self.phase(progress)
        if phase == "exploration":
            return 0.0
        if phase == "stabilisation":
            return self.strength
        done = (progress - self.explore_until) / (self.settle_until - self.explore_until)
        return min(self.strength, self.ramp_from + (self.ramp_to - self.ramp_from) * done)


@dataclass(frozen=True, slots=True)
class HeadRate:
    """What the head's learning rate is multiplied with: 1, then `lowered`, then 0 (frozen).

    The body goes on learning under a head that no longer moves. `freeze_after = 1` never freezes it.

    Raises:
        ScheduleInvalid: a value out of range.
    """

    lower_after: float = 0.6
    lowered: float = 0.1
    freeze_after: float = 0.85

    def __post_init__(self) -> None:
        _check(0 <= self.lower_after <= 1, "lower_after", self.lower_after, "between 0 and 1")
        _check(0 <= self.lowered <= 1, "lowered", self.lowered, "between 0 and 1")
        wanted = f"between lower_after {self.lower_after} and 1"
        _check(self.lower_after <= self.freeze_after <= 1, "freeze_after", self.freeze_after, wanted)

    def at(self, progress: float) -> float:
        """The factor at a share 0..1 of the run. Raises ScheduleInvalid for any other number."""
        _check(0 <= progress <= 1, "progress", progress, "between 0 and 1")
        if self.freeze_after < 1 and progress >= self.freeze_after:
            return 0.0
        return 1.0 if progress < self.lower_after else self.lowered


def _check(holds: bool, name: str, value: float, wanted: str) -> None:
    if not (holds and math.isfinite(value)):
        raise ScheduleInvalid(f"{name} is {value}, it must be {wanted}")
