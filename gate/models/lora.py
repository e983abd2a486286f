"""Merges a LoRA adapter into the weights that it was trained on: W + scaling * B A (Hu et al., arXiv:2106.09685)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file

_NAME = re.compile(r"base_model\.model\.(?:bert\.)?(?P<module>.+)\.lora_(?P<half>[AB])(?:\.default)?\.weight")


class LoraError(Exception):
    """The adapter cannot be read, or does not fit the weights."""


@dataclass(frozen=True, slots=True)
class Adapter:
    """An adapter file in peft's naming. `scaling` is lora_alpha / r (with rsLoRA lora_alpha / sqrt(r))."""

    path: Path
    scaling: float


def merge(weights: dict[str, NDArray[np.float32]], adapter: Adapter) -> dict[str, NDArray[np.float32]]:
    """The weights with the adapter added, in F32. Raises LoraError."""
    merged = dict(weights)
    halves = _read(adapter.path)
    for module in sorted({module for module, _ in halves}):
        name = f"{module}.weight"
        a, b = halves.get((module, "A")), halves.get((module, "B"))
        if a is None or b is None:
            raise LoraError(f"{adapter.path.name}: {module} has only half a pair")
        if name not in weights:
            raise LoraError(f"{adapter.path.name}: the encoder has no {name}")
        if a.ndim != 2 or b.ndim != 2 or b.shape[1] != a.shape[0] or (b.shape[0], a.shape[1]) != weights[name].shape:
            raise LoraError(f"{adapter.path.name}: {module} has the wrong shape")
        merged[name] = weights[name] + np.float32(adapter.scaling) * (b @ a)
        if not np.isfinite(merged[name]).all():
            raise LoraError(f"{adapter.path.name}: {module} is not finite")
    return merged


def _read(path: Path) -> dict[tuple[str, str], NDArray[np.float32]]:
    try:
        tensors = load_file(path)
    except (OSError, SafetensorError, TypeError, KeyError) as error:
        raise LoraError(f"{path.name}: {error}") from None
    if not tensors:
        raise LoraError(f"{path.name}: no tensors")
    halves: dict[tuple[str, str], NDArray[np.float32]] = {}
    for name, tensor in tensors.items():
        match = _NAME.fullmatch(name)
        if match is None:
            raise LoraError(f"{path.name}: {name!r} is no LoRA tensor of a linear layer")
        halves[match["module"], match["half"]] = tensor.astype(np.float32)
    return halves
