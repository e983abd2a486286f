"""The Hugging Face Trainer with our loss, batches and evaluation. Devices, resuming and scaling out are its own."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch.utils.data import DataLoader
from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from so8t.training.data.batches import Batches
from so8t.training.data.collate import Collator
from so8t.training.data.rows import EvaluationRows, TrainingRows, strictest
from so8t.training.guards import Guards
from so8t.training.model import Judging, logits_of, trained
from so8t.training.recipe import Recipe

EVALUATION_BATCH = 32


@dataclass(frozen=True, slots=True)
class Parts:
    """What a run is made of."""

    recipe: Recipe
    model: Judging
    rows: TrainingRows
    batches: Batches
    collator: Collator
    validation: EvaluationRows
    targets: NDArray[np.int64]  # (N,) of the validation cases


class SafetyTrainer(Trainer):
    """Two parameter groups, body and head; the composite loss; figures of the head instead of a loss on text."""

    def __init__(self, parts: Parts, args: TrainingArguments) -> None:
        super().__init__(
            model=parts.model,
            args=args,
            data_collator=parts.collator,
            train_dataset=parts.rows,
            eval_dataset=parts.validation,
            callbacks=[_Run(parts, self._log)],
        )
        self.parts = parts
        self.log_file = Path(str(args.output_dir)) / "log.jsonl"

    def get_train_dataloader(self) -> DataLoader[Any]:
        """The batches of the recipe, shared out over the processes."""
        loader = DataLoader(self.parts.rows, batch_sampler=self.parts.batches, collate_fn=self.parts.collator)
        prepared: DataLoader[Any] = self.accelerator.prepare(loader)
        return prepared

    def create_optimizer(self, model: Any = None) -> torch.optim.Optimizer:
        """AdamW with the body's and the head's own rate."""
        if self.optimizer is None:
            kind, options = Trainer.get_optimizer_cls_and_kwargs(self.args)
            options.pop("lr", None)
            train, judging = self.parts.recipe.train, self.parts.model
            groups = [
                {"params": [p for p in judging.base.parameters() if p.requires_grad], "lr": train.body_rate},
                {"params": list(judging.head.parameters()), "lr": train.head_rate},
            ]
            groups = [group for group in groups if group["params"]]
            self.optimizer = kind(groups, weight_decay=train.weight_decay, **options)
        return self.optimizer

    def create_scheduler(
        self, num_training_steps: int, optimizer: torch.optim.Optimizer | None = None
    ) -> torch.optim.lr_scheduler.LRScheduler:
        """The body: a short rise, then half a cosine. The head: the same rise, then the recipe's late lowering."""
        if self.lr_scheduler is None:
            recipe = self.parts.recipe

            def rise(done: float) -> float:
                return min(1.0, done / recipe.train.warm_up) if recipe.train.warm_up else 1.0

            def body(step: int) -> float:
                done = min(1.0, (step + 1) / max(1, num_training_steps))
                return rise(done) * 0.5 * (1 + float(np.cos(np.pi * done)))

            def head(step: int) -> float:
                done = min(1.0, (step + 1) / max(1, num_training_steps))
                return rise(done) * recipe.head_rate.at(done)

            chosen = optimizer or self.create_optimizer()
            factors: list[Callable[[int], float]] = [head] if len(chosen.param_groups) == 1 else [body, head]
            self.lr_scheduler = torch.optim.lr_scheduler.LambdaLR(chosen, factors)
        return self.lr_scheduler

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """The head's figures on the validation cases, each read whole; also what early stopping looks at."""
        logits = self.judge(self.parts.validation)
        found = _figures(logits, self.parts.targets)
        self._log({f"eval/{name}": value for name, value in found.items()})
        metrics = {f"eval_{name}": value for name, value in found.items()}
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def judge(self, rows: EvaluationRows) -> NDArray[np.float64]:
        """(N, 3) logits, of each case its strictest window."""
        loader = DataLoader(rows, batch_size=EVALUATION_BATCH, collate_fn=self.parts.collator)
        with self.compute_loss_context_manager():
            logits = logits_of(self.parts.model, loader)
        return strictest(logits.numpy(), rows.owners)

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        """The trained parameters alone: the base is not ours to copy."""
        folder = Path(output_dir or str(self.args.output_dir))
        folder.mkdir(parents=True, exist_ok=True)
        save_file(trained(self.parts.model), folder / "model.safetensors", metadata={"format": "pt"})

    def _log(self, values: Mapping[str, float]) -> None:
        line = {"step": self.state.global_step, "epoch": round(float(self.state.epoch or 0), 4), **values}
        with self.log_file.open("a", encoding="utf-8") as log:
            log.write(json.dumps(line) + "\n")


class _Run(TrainerCallback):
    """Before a step: how strong PET is. After it: the log and the guards. After an evaluation: guards, early stop."""

    def __init__(self, parts: Parts, log: Callable[[Mapping[str, float]], None]) -> None:
        self.parts = parts
        self.log = log
        guards = parts.recipe.guards
        self.guards = Guards(guards.most_of_loss, guards.one_class, guards.patience)
        self.sums: dict[str, float] = {}
        self.micro = 0
        self.best: dict[str, float] = {}
        self.waited = 0

    def on_step_begin(self, args: Any, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """The schedule."""
        self.sums, self.micro = {}, 0
        self.parts.model.lambda_pet = self.parts.recipe.pet.at(min(1.0, state.global_step / max(1, state.max_steps)))

    def on_substep_end(self, args: Any, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """One micro-batch."""
        terms = self.parts.model.terms
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
        norms = [p.grad.norm() for p in trained_parameters(self.parts.model) if p.grad is not None]
        self.sums["gradient"] = float(torch.stack(norms).norm()) * self.micro if norms else 0.0

    def on_step_end(self, args: Any, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Log and look."""
        means = {name: value / self.micro for name, value in self.sums.items()}
        sizes = {n.partition("/")[2]: abs(v) for n, v in means.items() if n.startswith("weighted/")}
        whole = sum(sizes.values()) or 1.0
        shares = {name: size / whole for name, size in sizes.items()}
        groups = kwargs["optimizer"].param_groups
        rates = {"lr/head": groups[-1]["lr"]} | ({"lr/body": groups[0]["lr"]} if len(groups) > 1 else {})
        self.log(
            means
            | {f"share/{name}": share for name, share in shares.items()}
            | rates
            | {"lambda_pet": self.parts.model.lambda_pet}
        )
        self.guards.step(state.global_step, means["loss/total"], means["gradient"], shares)

    def on_evaluate(
        self, args: Any, state: TrainerState, control: TrainerControl, metrics: Mapping[str, float] = {}, **_: Any
    ) -> None:
        """Stop early where neither the safety score nor refuse recall got better for a while."""
        counts = {name: int(metrics[f"eval_says_{name}"]) for name in ("allow", "escalate", "refuse")}
        progress = state.global_step / max(1, state.max_steps)
        self.guards.evaluation(counts, metrics["eval_safety_loss"], state.global_step, progress)
        better = [n for n in ("safety_score", "refuse_recall") if metrics[f"eval_{n}"] > self.best.get(n, -1.0)]
        self.best |= {name: metrics[f"eval_{name}"] for name in better}
        self.waited = 0 if better else self.waited + 1
        patience = self.parts.recipe.train.patience
        control.should_training_stop |= bool(patience and self.waited >= patience)


def trained_parameters(model: torch.nn.Module) -> Sequence[torch.nn.Parameter]:
    """Those with a gradient to come."""
    return [p for p in model.parameters() if p.requires_grad]


def _figures(logits: NDArray[np.float64], targets: NDArray[np.int64]) -> dict[str, float]:
    """The most likely decision counts: thresholds come after training."""
    got = logits.argmax(-1)
    logs = logits - np.logaddexp.reduce(logits, -1, keepdims=True)
    picked = np.concatenate([logs, np.logaddexp(logs[:, 1:2], logs[:, 2:3])], -1)[np.arange(len(targets)), targets]

    def share(of: NDArray[np.bool_], is_: int) -> float:
        return float((got[of] == is_).mean()) if of.any() else 0.0

    refuse, escalate, allowed = share(targets == 2, 2), share(targets == 1, 1), share(targets != 0, 0)
    return {
        "safety_score": (refuse + escalate + 1 - allowed) / 3,
        "refuse_recall": refuse,
        "escalate_recall": escalate,
        "overcompliance": allowed,
        "over_refusal": 1 - share(targets == 0, 0),
        "safety_loss": float(-picked.mean()),
        **{f"says_{name}": float((got == n).sum()) for n, name in enumerate(("allow", "escalate", "refuse"))},
    }
