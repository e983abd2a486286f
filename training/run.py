"""One training run, from a recipe to a head that the gate loads."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from transformers import TrainingArguments, set_seed
from transformers.utils import logging

from so8t.gate.head import Head
from so8t.gate.models.catalogue import known
from so8t.training import base as bases
from so8t.training import processes
from so8t.training import recipe as recipes
from so8t.training.calibration import Calibration, calibrate, judge
from so8t.training.data.rows import EvaluationRows
from so8t.training.evaluation import facts, history, judged_file, report
from so8t.training.evaluation.judged import Judged
from so8t.training.finish import write_adapter, write_head
from so8t.training.guards import OutOfMemory, TrainingStopped
from so8t.training.model import Judging
from so8t.training.prepare import Data, assemble, prepare
from so8t.training.progress import Interrupt, Progress, tell
from so8t.training.recipe import Recipe
from so8t.training.run_file import RunFile, check_same
from so8t.training.run_log import RunLog
from so8t.training.trainer import CheckpointUnfit, Parts, SafetyTrainer, last_checkpoint
from so8t.training.verdicts import Agreement, about, agreement, through_gate
from so8t.training.watch import Watch

MEMORY = ("can't allocate memory", "not enough memory")  # how torch's CPU allocator says it


class Interrupted(TrainingStopped):
    """Ctrl-C. Everything is saved; the message says how to go on."""


class FolderTaken(TrainingStopped):
    """There is a run in the folder already."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run gave."""

    head: Head
    folder: Path  # of the head
    report: Path
    judged: Judged  # the test split
    gate: Agreement | None  # the trained model against the gate's own backbone; None: not asked for


def run(file: Path, out: Path, *, resume: bool = False, changes: Mapping[str, Any] | None = None) -> Outcome | None:
    """Train, calibrate, measure on cases of the test split, save, report.

    Args:
        file: the recipe.
        out: the run's folder: checkpoints, log.jsonl, head/, report/.
        resume: go on from the last checkpoint in `out`.
        changes: "train.epochs": 1 and so on, put over the recipe.

    Returns:
        In each of several processes but the first: None. The first one wrote everything.

    Raises:
        RecipeError, BaseError, DataError, SplitError, TrainingStopped, ...: each says what to change.
    """
    recipe = recipes.load(file, dict(changes or {}))
    begin(recipe, out, resume=resume)
    tell(f"reading {recipe.model.base}")
    base = bases.load(recipe, file.parent)
    if processes.first():
        RunFile(recipe, file.parent, base.folder).write(out)
    tell("reading the cases")
    data = prepare(recipe, base, file.parent)
    tell(f"{summary(data)}; training")
    trainer = train(recipe, assemble(recipe, base, data, file.parent), out, resume=resume)
    tell("calibrating and measuring")
    adapter = write_adapter(recipe, base, trainer.parts.model, out)
    found, judged = measured(recipe, trainer, data)
    if not processes.first():
        return None
    base, model = in_one_process(recipe, base, trainer, data, file.parent)
    head = write_head(recipe, base, model, adapter, found, judged, data, out)
    device = str(trainer.args.device)
    del trainer, model  # the gate loads the model once more
    gc.collect()
    tell("asking the head again through the gate's backbone")
    gate = asked_again(recipe, out / "head", judged, data)
    page = write_report(file, out, found, judged, gate, data, device)
    return Outcome(head, out / "head", page, judged, gate)


def summary(data: Data) -> str:
    """How many cases there are of each part."""
    parts = (data.parts.train, data.parts.validation, data.parts.calibration, data.parts.test)
    train, validation, calibration, test = map(len, parts)
    return f"{train:,} cases to learn from, {validation:,} to validate, {calibration:,} to calibrate, {test:,} to test"


def begin(recipe: Recipe, out: Path, *, resume: bool) -> None:
    """What can be told before anything is loaded.

    Raises:
        FolderTaken, CheckpointUnfit, RecipeChanged, BaseUnsupported.
    """
    if resume and last_checkpoint(out) is None:
        raise CheckpointUnfit(f"{out} holds no checkpoint to resume from: leave out --resume")
    if resume:
        check_same(out, recipe)
    elif processes.first() and (out / "log.jsonl").exists():
        raise FolderTaken(f"{out} holds a run already: go on with --resume, or name another folder with --out")
    names = [name for name, model in known().items() if model.kind == "encoder"]
    if recipe.model.kind == "encoder" and recipe.model.base not in names:
        raise bases.BaseUnsupported(
            f"the gate reads no encoder {recipe.model.base!r}: it has {', '.join(sorted(names))};"
            ' any language model can be its base as well, with model.kind = "causal"'
        )
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]  # untyped in transformers
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # untyped in transformers
    warnings.filterwarnings("ignore", category=FutureWarning)  # transformers and peft, of each other's names
    set_seed(recipe.train.seed)


def train(recipe: Recipe, parts: Parts, out: Path, *, resume: bool) -> SafetyTrainer:
    """The trainer, whose model then has its best weights. Raises TrainingStopped."""
    log, interrupt = RunLog(out, tensorboard=recipe.train.tensorboard), Interrupt()
    callbacks = [Progress(parts.model), Watch(recipe, parts.model, log), interrupt]
    trainer = SafetyTrainer(parts, arguments(recipe, out), callbacks)
    checkpoint = str(last_checkpoint(out)) if resume else None
    try:
        with parts.model.watched(), interrupt:
            trainer.train(resume_from_checkpoint=checkpoint)
    except (torch.OutOfMemoryError, RuntimeError) as error:
        if not isinstance(error, torch.OutOfMemoryError) and not any(words in str(error) for words in MEMORY):
            raise
        raise OutOfMemory(recipe.train.micro_batch, recipe.data.longest) from None
    if interrupt.asked:
        step, steps = trainer.state.global_step, trainer.state.max_steps
        raise Interrupted(f"stopped after step {step} of {steps}, and saved in {out}: go on with --resume")
    return trainer


def in_one_process(
    recipe: Recipe, base: bases.Base, trainer: SafetyTrainer, data: Data, relative_to: Path
) -> tuple[bases.Base, Judging]:
    """Base and trained model in one process: where FSDP has spread them out, loaded anew with the best checkpoint."""
    if not trainer.is_fsdp_enabled:
        return base, trainer.parts.model
    again = bases.load(recipe, relative_to)
    model = assemble(recipe, again, data, relative_to).model
    model.load_state_dict(load_file(Path(str(trainer.state.best_model_checkpoint)) / "model.safetensors"), strict=False)
    return again, model


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
        dataloader_pin_memory=torch.cuda.is_available(),
        eval_strategy="steps",
        eval_steps=share * 0.999,
        save_strategy="steps",
        save_steps=share * 0.999,
        save_total_limit=2,
        load_best_model_at_end=True,
        metric_for_best_model="eval_balanced_score",  # by which no constant decision looks good
        greater_is_better=True,
        report_to=[],
        seed=train.seed,
        remove_unused_columns=False,
        label_names=["target"],
        logging_strategy="no",
        disable_tqdm=True,
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


def asked_again(recipe: Recipe, folder: Path, judged: Judged, data: Data) -> Agreement | None:
    """The head that was written, through the gate's backbone, on the first cases of the test split."""
    test = [e for e in data.parts.test if e.own][: recipe.export.check]
    if not test:
        return None
    return agreement(judged.at(range(len(test))), through_gate(folder, test))


def write_report(
    file: Path, out: Path, found: Calibration, judged: Judged, gate: Agreement | None, data: Data, device: str
) -> Path:
    """OUT/report/report.html, and OUT/judged.jsonl to make it again."""
    judged_file.write(out / "judged.jsonl", judged)
    known = {
        **facts.machine(device),
        "cases": f"{len(data.loaded.examples):,}, digest {data.loaded.digest[:16]}; {data.loaded.counts}",
        **facts.calibration(found),
        **({"through the gate's backbone": str(gate)} if gate else {}),
    }
    notices = list(found.notices)
    if gate and (gate.refuse_to_allow or gate.equal < 0.98 * gate.cases):
        notices.append(f"The head through the gate's backbone differs from the trained model: {gate}.")
    background = report.Background(file.stem, known, recipe=file.read_text(encoding="utf-8"), notices=notices)
    bound = found.bound.max_false_allow
    log = history.read(out / "log.jsonl")
    return report.write(
        out / "report", judged, background, thresholds=found.thresholds, max_false_allow=bound, history=log
    )
