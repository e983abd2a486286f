"""so8t-mini's own export: a Llama in memory with its tokenizer, or the folder that its training left.

`python -m so8t.training.export` writes the same file from the folder.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import gguf
import torch
from transformers import LlamaConfig, PreTrainedTokenizerFast

from so8t.training.export import folder as any_folder
from so8t.training.export import gguf_file, kinds, tensors, tokenizer
from so8t.training.export.errors import ExportError

__all__ = ["ExportError", "export", "export_folder", "tensor_name"]

NAME = "so8t-mini"
_MOST_BLOCKS = 64  # of a model of this size, by far


def export(
    config: LlamaConfig,
    state: Mapping[str, torch.Tensor],
    words: PreTrainedTokenizerFast,
    path: Path,
    kind: str = "q8_0",
    name: str = NAME,
    origin: str = "{}",
) -> None:
    """Write the model to `path`; `kind` is one of kinds.DIRECT.

    `origin` is kept as the metadata key `so8t.training`: JSON that tells how the model came about.

    Raises ExportError for an unknown kind or for a tensor that Llama does not have.
    """
    kinds.check(kind, tuple(kinds.DIRECT))
    gguf_file.write(path, config, state, tokenizer.read(words, config), kind, name, origin)


def tensor_name(key: str) -> str:
    """The GGUF name of the tensor that transformers calls `key`. Raises ExportError."""
    return tensors.gguf_name(gguf.MODEL_ARCH.LLAMA, _MOST_BLOCKS, key)


def export_folder(folder: Path, path: Path, kind: str = "q8_0") -> None:
    """Write the model that `pretrain` left in `folder`. Raises ExportError, OSError."""
    any_folder.export_folder(folder, path, kind, NAME)
