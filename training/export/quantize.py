"""Quantises a GGUF file of floats with llama.cpp."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType

import gguf
import numpy as np
from numpy.typing import NDArray

from so8t.gate.worker.supervisor import Worker
from so8t.training.export import kinds
from so8t.training.export.child import HOURS, with_llama_cpp
from so8t.training.export.errors import LlamaCppFailed
from so8t.training.export.gguf_file import fallbacks, whole
from so8t.training.export.tensors import Plan

SMALL = 1024  # of this hidden size and below, four bits in every matrix change too many of a head's verdicts
SIX_BITS = gguf.GGMLQuantizationType.Q6_K
FINER = {"attn_": SIX_BITS, "ffn_down": SIX_BITS}  # there; by patterns of tensor names


@dataclass(frozen=True, slots=True)
class Quantised:
    """A file that llama.cpp made."""

    path: Path
    kind: str
    types: dict[str, str]  # of each tensor, by its GGUF name
    notes: tuple[str, ...]  # which tensors the kind does not fit, and what they became


def quantize(
    path: Path,
    out: Path,
    kind: str,
    threads: int | None = None,
    importance: Mapping[str, NDArray[np.float32]] = MappingProxyType({}),
) -> Quantised:
    """Make `out` from the GGUF file `path`, which holds floats (f32, f16, bf16).

    Q4_K works on blocks of 256 numbers of a row; where rows are not divisible by that, llama.cpp takes a type with
    blocks of 32, and where that does not fit either, F16. The result's notes say which tensors it was. A small model
    keeps six bits in its attention and ffn_down. `importance`: GGUF name of a matrix -> (D_in,), see importance.py.

    Raises UnknownKind, LlamaCppFailed, OSError.
    """
    kinds.check(kind, tuple(kinds.QUANTISED))
    if not path.is_file():
        raise LlamaCppFailed(f"{path}: no such file")
    type_, file_type = kinds.QUANTISED[kind]
    finer = FINER if kind == "q4_k_m" and _width(path) <= SMALL else {}
    with whole(out) as part, TemporaryDirectory() as made:
        weights = Path(made) / "importance.npz"
        np.savez(weights, allow_pickle=False, **importance)
        payload = {
            "importance": str(weights),
            "source": str(path),
            "target": str(part),
            "type": int(file_type),
            "finer": {pattern: int(of) for pattern, of in finer.items()},
            "threads": threads or os.cpu_count() or 1,
        }

        async def talk(worker: Worker) -> None:
            await worker.call("quantize", payload, timeout=HOURS)

        with_llama_cpp("Quantiser", {}, path.name, talk)
        written = [Plan(t.name, "", tuple(map(int, reversed(t.shape))), t.tensor_type) for t in _tensors(part)]
    types = {plan.name: plan.type.name for plan in written}
    notes = (f"{' and '.join(finer)} keep six bits: the model is small",) if finer else ()
    return Quantised(out, kind, types, (*notes, *fallbacks(written, type_)))


def _width(path: Path) -> int:
    """The hidden size; 0 where the file cannot be read, which the quantiser will tell."""
    try:
        return next((int(t.shape[0]) for t in _tensors(path) if t.name == "token_embd.weight"), 0)
    except (ValueError, IndexError, KeyError):
        return 0


def _tensors(path: Path) -> list[gguf.ReaderTensor]:
    return list(gguf.GGUFReader(path).tensors)
