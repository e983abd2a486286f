"""Stops a run that goes wrong, with a message that says what to change."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

FIRST_STEPS = 100
CHANCE = 0.6  # an AUROC below it may be chance


class TrainingStopped(Exception):
    """The root of this module's errors: the run was stopped, and the last good checkpoint stays."""


class NotFinite(TrainingStopped):
    """The loss or the gradient is NaN or infinite."""


class TermDominates(TrainingStopped):
    """One term is nearly the whole loss, step after step."""


class OneClassOnly(TrainingStopped):
    """Nearly all cases get the same decision."""


class NotLearning(TrainingStopped):
    """At the end of the first third neither the safety loss nor the order of the cases is better than guessing."""


class OutOfMemory(TrainingStopped):
    """The device or the machine has too little memory for one micro-batch."""

    def __init__(self, micro_batch: int, longest: int) -> None:
        super().__init__(
            f"out of memory with {micro_batch} rows of up to {longest} tokens: halve train.micro_batch and double"
            " train.accumulation (the result stays the same), set train.gradient_checkpointing = true, lower"
            ' data.longest, or set model.quantisation = "nf4"; `so8t train estimate` predicts what fits'
        )


@dataclass(slots=True)
class Guards:
    """Looks at each step and each evaluation.

    Args:
        most_of_loss: the largest share of the weighted loss that one term may have.
        one_class: the largest share of the cases that one decision may have at two evaluations in a row.
        patience: steps in a row before a share counts.
    """

    most_of_loss: float = 0.9
    one_class: float = 0.97
    patience: int = 20
    _dominated: dict[str, int] = field(default_factory=dict)
    _collapsed: int = 0
    _best: float = math.inf
    _order: float = 0.0

    def step(self, number: int, loss: float, gradient: float, shares: Mapping[str, float]) -> None:
        """After each optimiser step. Raises NotFinite, TermDominates."""
        if not math.isfinite(loss) or not math.isfinite(gradient):
            raise NotFinite(
                f"step {number}: loss {loss}, gradient norm {gradient}: halve train.body_rate and train.head_rate, or"
                ' set train.precision = "float32"'
            )
        for term, share in shares.items():
            if term in _REWARDS:
                continue
            self._dominated[term] = self._dominated.get(term, 0) + 1 if share > self.most_of_loss else 0
            if self._dominated[term] >= self.patience and len([s for s in shares.values() if s > 0]) > 1:
                raise TermDominates(
                    f"step {number}: {term} has been over {self.most_of_loss:.0%} of the loss for {self.patience}"
                    f" steps: {_KNOBS[term]}, or raise guards.most_of_loss"
                )

    def evaluation(
        self, counts: Mapping[str, int], safety_loss: float, auroc: float, number: int, progress: float
    ) -> None:
        """After each evaluation, at step `number`; `progress`: the share of the run that is over.

        Raises:
            OneClassOnly, NotLearning: not in the first steps, when a new head says one thing to everything.
        """
        if number < FIRST_STEPS:
            return
        total = sum(counts.values())
        largest, name = max((n, name) for name, n in counts.items())
        self._collapsed = self._collapsed + 1 if total and largest > self.one_class * total else 0
        if self._collapsed >= 2:
            raise OneClassOnly(
                f"{largest} of {total} cases got {name} at two evaluations in a row: lower loss.beta and pet.strength,"
                ' set data.balance = "sampler", or check that the cases hold all three labels'
            )
        self._best = min(self._best, safety_loss)
        self._order = max(self._order, auroc)
        if progress >= 1 / 3 and self._best > math.log(3) and self._order < CHANCE:
            raise NotLearning(
                f"after {progress:.0%} of the run the safety loss is {self._best:.2f}, guessing gives"
                f" {math.log(3):.2f}, and ALLOW cases are not told from others (AUROC {self._order:.2f}):"
                " raise train.head_rate (1e-3 for a new head), raise lora.r, or look at the cases"
            )


_REWARDS = ("escalate",)  # at most loss.gamma: it outgrows the costs where little is left to learn, which is no fault
_KNOBS = {
    "sft": "raise loss.alpha and loss.beta",
    "safety": "lower loss.alpha",
    "penalty": "lower loss.beta",
    "pet": "lower pet.strength",
}
