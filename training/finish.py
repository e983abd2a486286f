"""What a trained model becomes: the head's folder, as agent.toml names it, and for a language model its GGUF files."""

from __future__ import annotations

import os
import shutil
import warnings
from collections.abc import Sequence
from pathlib import Path

import torch
from peft import PeftModel, get_peft_model_state_dict
from safetensors.torch import save_file
from transformers import AutoModel

from so8t.gate.backbones import decoder, encoder
from so8t.gate.backbones.encoder import EncoderFiles
from so8t.gate.backbones.of_head import BESIDE
from so8t.gate.head import Head
from so8t.gate.head_save import save
from so8t.training import processes
from so8t.training.base import Base
from so8t.training.calibration import Calibration
from so8t.training.data.example import Example
from so8t.training.evaluation.figures import figures
from so8t.training.evaluation.judged import Judged
from so8t.training.export.folder import Exported, export_folder
from so8t.training.export.merge import merge_adapter
from so8t.training.factored import factored
from so8t.training.model import Judging
from so8t.training.prepare import Data
from so8t.training.recipe import Recipe


def write_adapter(recipe: Recipe, base: Base, model: Judging, out: Path) -> Path | None:
    """OUT/adapter.safetensors of an encoder, in peft's naming; None where nothing in the base was trained."""
    if recipe.model.kind != "encoder" or recipe.lora.r == 0:
        return None
    if recipe.lora.whole:
        before = AutoModel.from_pretrained(base.folder, dtype=torch.float32).state_dict()
        state = factored(model.base, before, recipe.lora)
    else:
        state = {n: v.contiguous().float().cpu() for n, v in get_peft_model_state_dict(model.base).items()}
    file = out / "adapter.safetensors"
    if processes.first():
        save_file(state, file)
    return file


def write_head(
    recipe: Recipe,
    base: Base,
    model: Judging,
    adapter: Path | None,
    found: Calibration,
    judged: Judged,
    data: Data,
    out: Path,
) -> Head:
    """OUT/head, and OUT/model with OUT/NAME-KIND.gguf for a language model.

    Args:
        recipe: of the run.
        base: with the adapter.
        model: as trained.
        adapter: of `write_adapter`.
        found: its temperature and thresholds.
        judged: cases of the test split; their figures are stored with the head.
        data: what was learned from.
        out: the run's folder.

    Raises:
        ExportError, HeadNotReady, OSError.
    """
    folder = out / "head"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    if recipe.model.kind == "causal":
        first = export_base(recipe, base, out, texts_of(data.parts.train))[0]
        _beside(first.path, folder / BESIDE)
        backbone = decoder.identity(base.name, first.path)
    else:
        backbone = encoder.identity(EncoderFiles.known(base.name), adapter)
    return save(
        folder,
        model.head.arrays(),
        backbone=backbone,
        temperature=found.temperature,
        thresholds=found.thresholds,
        training_data=data.loaded.digest,
        metrics=figures(judged).json(),
        pooling=recipe.model.pooling,
        adapter=adapter,
        adapter_r=recipe.lora.r,
        adapter_alpha=recipe.lora.r if recipe.lora.whole else recipe.lora.alpha,
    )


def texts_of(examples: Sequence[Example], most: int = 128) -> list[str]:
    """What a quantiser looks at: the first window of some of the cases, spread over all."""
    return [e.windows[0] for e in examples[:: max(1, len(examples) // most)][:most]]


def export_base(recipe: Recipe, base: Base, out: Path, texts: Sequence[str]) -> list[Exported]:
    """The adapter merged into the full-precision base, as one GGUF file of each kind that the recipe names."""
    folder = base.folder
    if isinstance(base.model, PeftModel):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # peft looks for the base's card on the hub
            base.model.save_pretrained(str(out / "adapter"))
        folder = out / "model"
        merge_adapter(base.folder, out / "adapter", folder)
    paths = {kind: out / f"{base.name}-{kind}.gguf" for kind in recipe.export.gguf}
    return [export_folder(folder, path, kind, base.name, texts) for kind, path in paths.items()]


def _beside(source: Path, target: Path) -> None:
    """The same file under a second name where the file system can, else a copy."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
