"""Writes one GGUF file: metadata, vocabulary, then one tensor after the other."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import gguf
import numpy as np
import torch
from transformers import PretrainedConfig

from so8t.training.export import architecture, tensors
from so8t.training.export.kinds import DIRECT
from so8t.training.export.tensors import Plan
from so8t.training.export.vocabulary import Vocabulary


def write(
    path: Path,
    config: PretrainedConfig,
    weights: Mapping[str, torch.Tensor],
    vocabulary: Vocabulary,
    kind: str,
    name: str,
    origin: str | None = None,
) -> tuple[str, ...]:
    """Write the file, or nothing. Holds one tensor in memory at a time if `weights` does.

    Args:
        path: the file to be; one that is there is replaced when the new one is whole.
        config: of the model.
        weights: in the names of transformers.
        vocabulary: as long as the embedding.
        kind: one of kinds.DIRECT.
        name: general.name.
        origin: JSON about how the model came about, kept as `so8t.training`.

    Returns: what the user should know about the file.

    Raises ExportError, OSError.
    """
    known = architecture.of(config)
    type_, file_type = DIRECT[kind]
    plans = tensors.plan(known, config, weights, type_)
    with whole(path) as part:
        writer = gguf.GGUFWriter(part, gguf.MODEL_ARCH_NAMES[known.gguf])
        try:
            architecture.describe(writer, config, file_type, name)
            if origin is not None:
                writer.add_string("so8t.training", origin)
            vocabulary.write(writer)
            _write_tensors(writer, plans, (tensors.data(plan, known, config, weights) for plan in plans))
        finally:
            writer.close()
    return (*architecture.notes(config), *vocabulary.split.notes, *fallbacks(plans, type_))


def _write_tensors(writer: gguf.GGUFWriter, plans: list[Plan], arrays: Iterator[np.ndarray]) -> None:
    for plan in plans:
        shape = gguf.quants.quant_shape_to_byte_shape(plan.shape, plan.type)
        kept = np.dtype(np.uint8)  # then the shape counts bytes
        writer.add_tensor_info(plan.name, shape, kept, int(np.prod(shape)), plan.type)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    for array in arrays:
        writer.write_tensor_data(array.byteswap() if sys.byteorder == "big" else array)


def fallbacks(plans: list[Plan], wanted: gguf.GGMLQuantizationType) -> Iterator[str]:
    """What became of the tensors that `wanted` does not fit."""
    block, _ = gguf.GGML_QUANT_SIZES[wanted]
    odd = [plan for plan in plans if len(plan.shape) > 1 and plan.shape[-1] % block]
    for row in sorted({plan.shape[-1] for plan in odd}):
        those = [plan for plan in odd if plan.shape[-1] == row]
        types = ", ".join(sorted({plan.type.name for plan in those}))
        yield (
            f"{len(those)} tensors (as {those[0].name}) have rows of {row} numbers, which blocks of {block} do not"
            f" divide: kept as {types}, not {wanted.name}"
        )


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A file beside `path` that takes its place at the end, or goes away."""
    part = path.with_name(path.name + ".part")
    try:
        yield part
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
