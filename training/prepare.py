"""What a recipe asks for, made ready: cases, tokenizer, rows, batches and the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from peft import PeftModel
from torch import nn
from transformers import AutoTokenizer

from so8t.gate.names import unknown
from so8t.training import base as bases
from so8t.training.data.balance import class_weights
from so8t.training.data.batches import Batches
from so8t.training.data.collate import Collator
from so8t.training.data.dialogues import Dialogue
from so8t.training.data.example import Example
from so8t.training.data.files import DataError
from so8t.training.data.load import GENERATED, Loaded, load
from so8t.training.data.near import grouped
from so8t.training.data.rows import EvaluationRows, TrainingRows
from so8t.training.data.sft import dialogues
from so8t.training.data.splits import Split, split, without
from so8t.training.data.tokens import HuggingFaceTokens, Tokens, WordPieceTokens, check_base
from so8t.training.model import Judging
from so8t.training.recipe import Recipe
from so8t.training.safety_head import SafetyHead
from so8t.training.trainer import Parts


class LanguageUnknown(DataError):
    """No case is in this language. The message lists those there are."""


@dataclass(frozen=True, slots=True)
class Data:
    """The cases of a run, and the tokenizer that they were windowed with."""

    tokens: Tokens
    loaded: Loaded
    parts: Split


def prepare(recipe: Recipe, base: bases.Base, relative_to: Path) -> Data:
    """Load the cases, keep alike ones together, split."""
    tokens = tokens_of(recipe, base)
    check_base(tokens, embedding_rows(base.model))
    loaded = load(
        [relative_to / path for path in recipe.data.cases],
        tokens,
        public=relative_to / recipe.data.public if recipe.data.public else None,
        contents=[relative_to / path for path in recipe.data.contents],
        generated=recipe.data.generated,
        seed=recipe.train.seed,
        skip_bad_lines=recipe.data.skip_bad_lines,
    )
    made = [e for e in loaded.examples if e.source == GENERATED]  # learned from, whole; they do not move the split
    rest = [e for e in loaded.examples if e.source != GENERATED]
    parts = _parts(recipe, grouped(_spoken(recipe, rest)))
    made = [e for e in made if not recipe.data.languages or e.case.lang in recipe.data.languages]
    return Data(tokens, loaded, replace(parts, train=(*parts.train, *made)))


def _spoken(recipe: Recipe, examples: Sequence[Example]) -> list[Example]:
    """Those in the languages of the recipe. Raises LanguageUnknown."""
    wanted, there = recipe.data.languages, {e.case.lang for e in examples if e.case.lang}
    for language in wanted:
        if language not in there:
            raise LanguageUnknown(unknown("language", language, there))
    return [e for e in examples if not wanted or not e.case.lang or e.case.lang in wanted]


def _parts(recipe: Recipe, examples: Sequence[Example]) -> Split:
    """By shares; or with whole sources as the test part."""
    shares = {"validation": recipe.data.validation, "calibration": recipe.data.calibration}
    if not recipe.data.held_out:
        return split(examples, **shares, test=recipe.data.test, seed=recipe.train.seed)
    fold = without(examples, recipe.data.held_out)
    return replace(split(fold.train, **shares, seed=recipe.train.seed), test=fold.held)


def tokens_of(recipe: Recipe, base: bases.Base) -> Tokens:
    """The gate's own WordPiece for its encoders, else the base's tokenizer."""
    if recipe.model.kind == "encoder" and (base.folder / "vocab.txt").exists():
        return WordPieceTokens(base.folder / "vocab.txt")
    return HuggingFaceTokens(AutoTokenizer.from_pretrained(base.folder))


def embedding_rows(model: nn.Module) -> int:
    """How many token ids the base knows."""
    inner: Any = model.get_base_model() if isinstance(model, PeftModel) else model
    return int(inner.get_input_embeddings().weight.shape[0])


def assemble(recipe: Recipe, base: bases.Base, data: Data, relative_to: Path) -> Parts:
    """Rows, batches and model."""
    train, own = data.parts.train, [e for e in data.parts.validation if e.own]
    weights = class_weights([e.target for e in train])
    rows = TrainingRows(
        train,
        data.tokens,
        longest=recipe.data.longest,
        weights=weights if recipe.data.balance == "weights" else (1.0, 1.0, 1.0, 1.0),
        seed=recipe.train.seed,
        dialogues=_dialogues(recipe, base, relative_to),
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


def _dialogues(recipe: Recipe, base: bases.Base, relative_to: Path) -> list[Dialogue]:
    if not recipe.data.sft:
        return []
    words = AutoTokenizer.from_pretrained(base.folder)
    return dialogues(recipe.data.sft, words, relative_to, recipe.train.seed)
