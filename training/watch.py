"""What happens around each step: PET's strength before it; afterwards the log, the guards, and early stopping."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState

from so8t.training.guards import Guards
from so8t.training.indicators import NAMES
from so8t.training.model import Judging
from so8t.training.recipe import Recipe
from so8t.training.run_log import RunLog

WATCHED = ("safety_score", "balanced_score", "refuse_recall")  # early stopping waits for one of them to get better


class Watch(TrainerCallback):
    """Its state is a function of the log: a resumed run reads it again and goes on as if it had never stopped."""

    def __init__(self, recipe: Recipe, model: Judging, log: RunLog) -> None:
        self.recipe = recipe
        self.model = model
        self.log = log
        self.guards = Guards(recipe.guards.most_of_loss, recipe.guards.one_class, recipe.guards.patience)
        self.sums: dict[str, float] = {}
        self.micro = 0  # micro-batches of this step
        self.best = dict.fromkeys(WATCHED, -1.0)
        self.waited = 0  # evaluations since one of them got better

    def on_train_begin(self, args: Any, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Live through the log again."""
        for row in self.log.begin(state.global_step):
            if "eval/safety_score" in row:
                self._evaluated({k.removeprefix("eval/"): v for k, v in row.items()}, int(row["step"]), state.max_steps)
            else:
                self._stepped(row, int(row["step"]))

    def on_step_begin(self, args: Any, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """The schedule."""
        self.sums, self.micro = {}, 0
        self.model.lambda_pet = self.recipe.pet.at(min(1.0, state.global_step / max(1, state.max_steps)))

    def on_substep_end(self, args: Any, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """One micro-batch."""
        terms = self.model.terms
        assert terms is not None
        values = {f"loss/{name}": float(v) for name, v in terms.raw.items()}
        values |= {f"weighted/{name}": float(v) for name, v in terms.weighted.items()}
        values["loss/total"] = float(terms.total.detach())
        self.micro += 1
        for name, value in values.items():
            self.sums[name] = self.sums.get(name, 0.0) + value

    def on_pre_optimizer_step(self, args: Any, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """The last micro-batch of a step comes without on_substep_end."""
        self.on_substep_end(args, state, control)
        self.sums["gradient"] = self.model.gradient * self.micro

    def on_step_end(self, args: Any, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Log and look."""
        means = {name: value / self.micro for name, value in self.sums.items()}
        sizes = {n.partition("/")[2]: abs(v) for n, v in means.items() if n.startswith("weighted/")}
        whole = sum(sizes.values()) or 1.0
        groups = kwargs["optimizer"].param_groups
        rates = {"lr/head": groups[-1]["lr"]} | ({"lr/body": groups[0]["lr"]} if len(groups) > 1 else {})
        shares = {f"share/{name}": size / whole for name, size in sizes.items()}
        row = means | shares | rates | {"lambda_pet": self.model.lambda_pet}
        self.log.write(row, state.global_step, float(state.epoch or 0))
        self._stepped(row, state.global_step)

    def on_evaluate(
        self, args: Any, state: TrainerState, control: TrainerControl, metrics: Mapping[str, float] = {}, **_: Any
    ) -> None:
        """Log, look, and stop early where nothing got better for a while."""
        found = {name.removeprefix("eval_"): value for name, value in metrics.items()}
        row = {f"eval/{name}": value for name, value in found.items()}
        self.log.write(row, state.global_step, float(state.epoch or 0))
        self._evaluated(found, state.global_step, state.max_steps)
        patience = self.recipe.train.patience
        control.should_training_stop |= bool(patience and self.waited >= patience)

    def _stepped(self, row: Mapping[str, float], step: int) -> None:
        shares = {name.removeprefix("share/"): value for name, value in row.items() if name.startswith("share/")}
        self.guards.step(step, row["loss/total"], row["gradient"], shares)

    def _evaluated(self, found: Mapping[str, float], step: int, steps: int) -> None:
        counts = {name: int(found[f"says_{name}"]) for name in NAMES}
        self.guards.evaluation(counts, found["safety_loss"], found["auroc"], step, step / max(1, steps))
        better = [name for name in WATCHED if found[name] > self.best[name]]
        self.best |= {name: found[name] for name in better}
        self.waited = 0 if better else self.waited + 1
