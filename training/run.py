"""One training run, from recipe to head: `python -m so8t.training.run RECIPE --out FOLDER [--resume]`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from peft import PeftModel, get_peft_model_state_dict
from safetensors.torch import save_file
from torch import nn
from transformers import AutoTokenizer, TrainingArguments, set_seed

from so8t.gate.backbones.encoder import EncoderFiles, identity
from so8t.gate.head import Head
from so8t.gate.head_save import save
from so8t.training import base as bases
from so8t.training import recipe as recipes
from so8t.training.calibration import Calibration, calibrate, judge
from so8t.training.data.balance import class_weights
from so8t.training.data.batches import Batches
from so8t.training.data.collate import Collator
from so8t.training.data.dialogues import Dialogue
from so8t.training.data.example import Example
from so8t.training.data.load import Loaded, load
from so8t.training.data.near import grouped
from so8t.training.data.rows import EvaluationRows, TrainingRows
from so8t.training.data.splits import Split, split
from so8t.training.data.tokens import HuggingFaceTokens, Tokens, WordPieceTokens, check_base
from so8t.training.evaluation import facts, history, judged_file, report
from so8t.training.evaluation.figures import figures
from so8t.training.evaluation.judged import About, Judged
from so8t.training.mini import chat, phrasing
from so8t.training.mini.dialogues import Generator
from so8t.training.model import Judging
from so8t.training.recipe import Recipe
from so8t.training.safety_head import SafetyHead
from so8t.training.trainer import Parts, SafetyTrainer

DIALOGUES = 20_000  # of so8t-mini, that the language model goes on learning from


@dataclass(frozen=True, slots=True)
class Data:
    """The cases of a run, and the tokenizer that they were windowed with."""

    tokens: Tokens
    loaded: Loaded
    parts: Split


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


def prepare(recipe: Recipe, base: bases.Base, relative_to: Path) -> Data:
    """Load the cases, keep alike ones together, split."""
    tokens = tokens_of(recipe, base)
    check_base(tokens, embedding_rows(base.model))
    loaded = load(
        [relative_to / path for path in recipe.data.cases],
        tokens,
        public=relative_to / recipe.data.public if recipe.data.public else None,
        seed=recipe.train.seed,
        skip_bad_lines=recipe.data.skip_bad_lines,
    )
    examples = grouped(loaded.examples)
    shares = {"validation": recipe.data.validation, "calibration": recipe.data.calibration, "test": recipe.data.test}
    return Data(tokens, loaded, split(examples, **shares, seed=recipe.train.seed))


def tokens_of(recipe: Recipe, base: bases.Base) -> Tokens:
    """The gate's own WordPiece for its encoders, else the base's tokenizer."""
    if recipe.model.kind == "encoder" and (base.folder / "vocab.txt").exists():
        return WordPieceTokens(base.folder / "vocab.txt")
    return HuggingFaceTokens(AutoTokenizer.from_pretrained(base.folder))


def embedding_rows(model: nn.Module) -> int:
    """How many token ids the base knows."""
    inner: Any = model.get_base_model() if isinstance(model, PeftModel) else model
    return int(inner.get_input_embeddings().weight.shape[0])


def assemble(recipe: Recipe, base: bases.Base, data: Data) -> Parts:
    """Rows, batches and model."""
    train, own = data.parts.train, [e for e in data.parts.validation if e.own]
    weights = class_weights([e.target for e in train])
    rows = TrainingRows(
        train,
        data.tokens,
        longest=recipe.data.longest,
        weights=weights if recipe.data.balance == "weights" else (1.0, 1.0, 1.0, 1.0),
        seed=recipe.train.seed,
        dialogues=dialogues(recipe, base),
    )
    batches = Batches(
        rows,
        recipe.train.micro_batch,
        dialogue_share=recipe.data.sft_share,
        weights=weights if recipe.data.balance == "sampler" else None,
        seed=recipe.train.seed,
    )
    head = SafetyHead(
        base.dimension, recipe.model.pooling, recipe.model.dropout, stop_gradient=recipe.model.stop_gradient
    )
    model = Judging(base.model, head, recipe.loss, causal=recipe.model.kind == "causal")
    targets = np.array([e.target for e in own], np.int64)
    collator = Collator(data.tokens.pad)
    return Parts(recipe, model, rows, batches, collator, EvaluationRows(own, data.tokens), targets)


def dialogues(recipe: Recipe, base: bases.Base) -> list[Dialogue]:
    """What the language model goes on learning."""
    if recipe.data.sft == "none":
        return []
    words = AutoTokenizer.from_pretrained(base.folder)
    made = islice(Generator(phrasing.read_folder(), recipe.train.seed), DIALOGUES)
    return [Dialogue.of(chat.segments(dialogue), words) for dialogue in made]


def arguments(recipe: Recipe, out: Path) -> TrainingArguments:
    """The Trainer's own settings."""
    train = recipe.train
    share = min(1.0, train.evaluate_every / train.epochs)  # below 1: a share of all steps
    return TrainingArguments(
        output_dir=str(out),
        num_train_epochs=train.epochs,
        per_device_train_batch_size=train.micro_batch,
        gradient_accumulation_steps=train.accumulation,
        optim={"adamw_torch": "adamw_torch", "paged_adamw_8bit": "paged_adamw_8bit"}[train.optimizer],
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
    head = run(recipe, out, resume=resume, changes=changed)
    click.echo(f"saved {out / 'head'}, digest {head.digest}; the report is {out / 'report' / 'report.html'}")


if __name__ == "__main__":
    main()
