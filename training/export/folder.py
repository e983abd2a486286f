"""A model in the layout of Hugging Face as one GGUF file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from so8t.training.export import architecture, bert, gguf_file, kinds, tensors, tokenizer
from so8t.training.export.errors import UnreadableFolder, told_as
from so8t.training.export.folder_config import config_of
from so8t.training.export.importance import importance
from so8t.training.export.quantize import quantize
from so8t.training.export.weights import FolderWeights


@dataclass(frozen=True, slots=True)
class Exported:
    """A file that was written."""

    path: Path
    kind: str
    bytes: int
    notes: tuple[str, ...]  # what the user should know about it, one sentence each


def export_folder(
    folder: Path, path: Path, kind: str = "q8_0", name: str | None = None, texts: Sequence[str] = ()
) -> Exported:
    """Write the model in `folder` to `path`.

    Args:
        folder: config.json, safetensors, tokenizer; for a BERT encoder model.safetensors and vocab.txt.
        path: the file to be.
        kind: f32, f16, bf16, q8_0, or q4_k_m (made by llama.cpp from a temporary file of floats beside `path`).
        name: what the model is called in the file; the folder's name if None.
        texts: such as the model will read; q4_k_m then rounds less what matters to them (importance.py).

    Raises ExportError (each of its subclasses), OSError.
    """
    kinds.check(kind)
    if kind in kinds.DIRECT:
        notes = _write(folder, path, kind, name)
    else:
        with TemporaryDirectory(dir=path.absolute().parent) as made:
            floats = Path(made) / "floats.gguf"
            notes = _write(folder, floats, _floats(folder), name)
            weights = importance(folder, texts) if texts else {}
            notes += quantize(floats, path, kind, importance=weights).notes
    return Exported(path, kind, path.stat().st_size, notes)


def _write(folder: Path, path: Path, kind: str, name: str | None) -> tuple[str, ...]:
    config = config_of(folder)
    if config.model_type == architecture.ENCODER:
        bert.write(folder, path, kind)
        return ()
    architecture.of(config)
    weights = FolderWeights(folder)
    tensors.check_rows(config, weights)
    vocabulary = tokenizer.read(tokenizer.load(folder), config)
    called = folder.resolve().name if name is None else name
    return gguf_file.write(path, config, weights, vocabulary, kind, called, _origin(folder))


def _origin(folder: Path) -> str | None:
    """What so8t-mini's training wrote about itself."""
    run = folder / "run.json"
    with told_as(UnreadableFolder, run):
        return json.dumps(json.loads(run.read_text(encoding="utf-8"))) if run.exists() else None


def _floats(folder: Path) -> str:
    """The kind that loses nothing of the weights."""
    stored = {torch.bfloat16: "bf16", torch.float16: "f16"}
    weights = FolderWeights(folder)
    types = {weights[name].dtype for name in list(weights)[:4]}
    return stored.get(types.pop(), "f32") if len(types) == 1 else "f32"
