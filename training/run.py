"""One training run, from recipe to head: `python -m so8t.training.run RECIPE --out FOLDER [--resume]`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from peft import PeftModel, get_peft_model_state_dict
from safetensors.torch import save_file
from transformers import TrainingArguments, set_seed

from so8t.gate.backbones.encoder import EncoderFiles, identity
from so8t.gate.head import Head, HeadNotReady
from so8t.gate.head_save import save
from so8t.training import base as bases
from so8t.training import recipe as recipes
from so8t.training.blocks import BlocksNotFound
from so8t.training.calibration import Calibration, NothingToCalibrate, calibrate, judge
from so8t.training.data.batches import BatchesError
from so8t.training.data.example import Example
from so8t.training.data.files import DataError
from so8t.training.data.rows import EvaluationRows
from so8t.training.data.splits import SplitError
from so8t.training.data.tokens import TokensError
from so8t.training.evaluation import facts, history, judged_file, report
from so8t.training.evaluation.figures import figures
from so8t.training.evaluation.judged import About, Judged
from so8t.training.guards import TrainingStopped
from so8t.training.model import Judging
from so8t.training.prepare import Data, assemble, prepare
from so8t.training.recipe import Recipe
from so8t.training.trainer import SafetyTrainer


def run(file: Path, out: Path, *, resume: bool = False, changes: dict[str, Any] | None = None) -> Head:
    """Train, calibrate, measure on cases of the test split, save, report.

    Raises:
        RecipeError, BaseError, DataError, SplitError, TrainingStopped, ...: each says what to change.
    """
    recipe = recipes.load(file, changes)
    set_seed(recipe.train.seed)
    base = bases.load(recipe, file.parent)
    data = prepare(recipe, base, file.parent)
    parts = assemble(recipe, base, data)
    trainer = SafetyTrainer(parts, arguments(recipe, out))
    with parts.model.watched():
        trainer.train(resume_from_checkpoint=resume or None)
    found, judged = measured(recipe, trainer, data)
    head = write(recipe, base, parts.model, found, judged, data, out)
    judged_file.write(out / "judged.jsonl", judged)
    report.write(
        out / "report",
        judged,
        report.Background(file.stem, {**facts.machine(str(trainer.args.device)), **facts.calibration(found)},
                          recipe=file.read_text(encoding="utf-8"), notices=found.notices),
        thresholds=found.thresholds,
        max_false_allow=recipe.calibrate.max_false_allow,
        history=history.read(trainer.log_file),
    )  # fmt: skip
    return head


def arguments(recipe: Recipe, out: Path) -> TrainingArguments:
    """The Trainer's own settings."""
    train = recipe.train
    share = min(1.0, train.evaluate_every / train.epochs)  # below 1: a share of all steps
    return TrainingArguments(
        output_dir=str(out),
        num_train_epochs=train.epochs,
        per_device_train_batch_size=train.micro_batch,
        gradient_accumulation_steps=train.accumulation,
        optim=train.optimizer,
        bf16=train.precision == "bf16",
        use_cpu=not torch.cuda.is_available(),
        eval_strategy="steps",
        eval_steps=share * 0.999,
        save_strategy="steps",
        save_steps=share * 0.999,
        save_total_limit=2,
        load_best_model_at_end=True,
        metric_for_best_model="eval_safety_score",
        greater_is_better=True,
        report_to=[],
        seed=train.seed,
        remove_unused_columns=False,
        label_names=["target"],
        logging_strategy="no",
    )


def measured(recipe: Recipe, trainer: SafetyTrainer, data: Data) -> tuple[Calibration, Judged]:
    """Temperature and thresholds from the calibration split; what they make of the test split."""
    fit = [e for e in data.parts.calibration if e.own]
    logits = trainer.judge(EvaluationRows(fit, data.tokens))
    bound = recipe.calibrate
    targets = np.array([e.target for e in fit], np.int64)
    found = calibrate(logits, targets, bound.max_false_allow, bound.confidence, [e.group for e in fit])
    test = [e for e in data.parts.test if e.own]
    unseen = trainer.judge(EvaluationRows(test, data.tokens))
    labels = np.array([e.target for e in test], np.int64)
    return found, judge(unseen, labels, [about(e) for e in test], found.temperature, found.thresholds)


def about(example: Example) -> About:
    """What the report says of a case."""
    case = example.case
    return About(
        case.id,
        case.category or "",
        case.lang or "",
        case.difficulty or "",
        example.source,
        case.pair or "",
        "call" if case.proposal.call else "turn",
        "\n".join(example.windows),
    )


def write(
    recipe: Recipe,
    base: bases.Base,
    model: Judging,
    found: Calibration,
    judged: Judged,
    data: Data,
    out: Path,
) -> Head:
    """The head's folder, as agent.toml names it."""
    folder = out / "head"
    folder.mkdir(parents=True, exist_ok=True)
    adapter = None
    if isinstance(model.base, PeftModel):
        adapter = out / "adapter.safetensors"
        state = get_peft_model_state_dict(model.base)
        save_file({name: value.contiguous().float().cpu() for name, value in state.items()}, adapter)
    return save(
        folder,
        model.head.arrays(),
        backbone=identity(EncoderFiles.known(base.name), adapter),
        temperature=found.temperature,
        thresholds=found.thresholds,
        training_data=data.loaded.digest,
        metrics=figures(judged).json(),
        pooling=recipe.model.pooling,
        adapter=adapter,
        adapter_r=recipe.lora.r,
        adapter_alpha=recipe.lora.alpha,
    )


EXPECTED = (
    recipes.RecipeError,
    bases.BaseError,
    DataError,
    SplitError,
    TokensError,
    BatchesError,
    BlocksNotFound,
    TrainingStopped,
    NothingToCalibrate,
    HeadNotReady,
)


@click.command()
@click.argument("recipe", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder of the run.")
@click.option("--resume", is_flag=True, help="Go on from the last checkpoint in --out.")
@click.option("--set", "changes", multiple=True, metavar="KEY=VALUE", help="Change one value, e.g. train.epochs=1.")
def main(recipe: Path, out: Path, resume: bool, changes: Sequence[str]) -> None:
    """Train a safety head by a recipe."""
    import tomllib

    changed = {
        key: tomllib.loads(f"v = {value}")["v"] for key, _, value in (change.partition("=") for change in changes)
    }
    try:
        head = run(recipe, out, resume=resume, changes=changed)
    except EXPECTED as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"saved {out / 'head'}, digest {head.digest}; the report is {out / 'report' / 'report.html'}")


if __name__ == "__main__":
    main()
