"""The Hugging Face Trainer with our loss, batches and evaluation. Devices, resuming and scaling out are its own."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch.utils.data import DataLoader
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments

from so8t.training.data.batches import Batches
from so8t.training.data.collate import Collator
from so8t.training.data.rows import EvaluationRows, TrainingRows, strictest
from so8t.training.indicators import indicators
from so8t.training.model import Judging, logits_of, trained
from so8t.training.recipe import Recipe


class CheckpointUnfit(Exception):
    """The checkpoint is of another model or recipe, or none is whole. The message says what to do."""


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

    def __init__(self, parts: Parts, args: TrainingArguments, callbacks: list[TrainerCallback]) -> None:
        super().__init__(
            model=parts.model,
            args=args,
            data_collator=parts.collator,
            train_dataset=parts.rows,
            eval_dataset=parts.validation,
            callbacks=callbacks,
        )
        self.remove_callback(PrinterCallback)
        self.parts = parts

    def get_train_dataloader(self) -> DataLoader[Any]:
        """The batches of the recipe, shared out over the processes."""
        loader = DataLoader(self.parts.rows, batch_sampler=self.parts.batches, collate_fn=self.parts.collator)
        prepared: DataLoader[Any] = self.accelerator.prepare(loader)
        return prepared

    def create_optimizer(self, model: Any = None) -> torch.optim.Optimizer:
        """The recipe's optimizer with the body's and the head's own rate."""
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
        """The head's figures on the validation cases, each read whole."""
        found = indicators(self.judge(self.parts.validation), self.parts.targets)
        metrics = {f"eval_{name}": value for name, value in found.items()}
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def judge(self, rows: EvaluationRows) -> NDArray[np.float64]:
        """(N, 3) logits, of each case its strictest window."""
        loader = DataLoader(rows, batch_size=self.args.per_device_train_batch_size, collate_fn=self.parts.collator)
        with self.compute_loss_context_manager():
            logits = logits_of(self.model_wrapped, loader)
        return strictest(logits.numpy(), rows.owners)

    def _get_grad_norm(self, model: Any, grad_norm: Any = None) -> Any:
        """The norm before clipping, kept for the log."""
        norm = super()._get_grad_norm(model, grad_norm)  # type: ignore[no-untyped-call]  # untyped in transformers
        self.parts.model.gradient = float(norm)
        return norm

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        """The trained parameters alone: the base is not ours to copy."""
        folder = Path(output_dir or str(self.args.output_dir))
        folder.mkdir(parents=True, exist_ok=True)
        own = trained(self.parts.model)
        if state_dict is not None:  # gathered from several processes
            own = {name: state_dict[name].contiguous() for name in own}
        save_file(own, folder / "model.safetensors", metadata={"format": "pt"})

    def _issue_warnings_after_load(self, load_result: Any) -> None:
        """What is missing in a checkpoint must be the base's. Raises CheckpointUnfit."""
        lost = sorted(set(trained(self.parts.model)) & set(load_result.missing_keys)) + load_result.unexpected_keys
        if lost:
            raise CheckpointUnfit(
                f"the checkpoint is of another recipe ({lost[0]} is only in one of them): resume with the recipe"
                " that the run began with, or begin anew in another folder"
            )


def last_checkpoint(folder: Path) -> Path | None:
    """The newest checkpoint that was written to its end. The Trainer writes trainer_state.json last."""
    found = sorted(folder.glob("checkpoint-*"), key=lambda path: int(path.name.partition("-")[2]), reverse=True)
    return next((path for path in found if _whole(path / "trainer_state.json")), None)


def _whole(state: Path) -> bool:
    try:
        json.loads(state.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return True
