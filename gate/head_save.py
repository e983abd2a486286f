"""Writing a head's folder, at the end of a training run."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray

from so8t.gate.backbones.pooling import Pooling
from so8t.gate.contract import Thresholds
from so8t.gate.head import Head
from so8t.gate.head_file import FORMAT, LABELS, seal
from so8t.gate.render import RENDERING


def save(
    folder: Path,
    weights: Mapping[str, NDArray[np.float32]],
    *,
    backbone: str,
    temperature: float,
    thresholds: Thresholds,
    training_data: str,
    metrics: Mapping[str, Any],
    pooling: Pooling = "mean",
    adapter: Path | None = None,
    adapter_r: int = 0,
    adapter_alpha: float = 0.0,
) -> Head:
    """Write head.safetensors, head.json and the adapter, and load them again.

    Args:
        folder: made where it does not exist.
        weights: float32 arrays, named and shaped as head.py says.
        backbone: Backbone.id of the backbone (with the adapter) that the head was trained on.
        temperature: divides the logits.
        thresholds: an `allow` above 1 means that the head never says ALLOW.
        training_data: SHA-256 (hex) of the cases.
        metrics: anything that JSON can carry.
        pooling: how the backbone's hidden states became one vector.
        adapter: a safetensors file of LoRA weights; adapter_r and adapter_alpha then say how to scale them.

    Raises:
        HeadNotReady: what was written cannot be loaded; the message says what is wrong.
        OSError: the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    data = safetensors.numpy.save({name: np.ascontiguousarray(w) for name, w in weights.items()})
    hidden = weights["hidden.weight"].shape[0] if "hidden.weight" in weights else 0
    fields = {
        "format": FORMAT,
        "labels": LABELS,
        "backbone": backbone,
        "pooling": pooling,
        "rendering": RENDERING,
        "dimension": weights["hidden.weight" if hidden else "output.weight"].shape[1],
        "hidden": hidden,
        "temperature": temperature,
        "allow_threshold": thresholds.allow,
        "refuse_threshold": thresholds.refuse,
        "training_data": training_data,
        "metrics": dict(metrics),
        "adapter": _adapter(folder, adapter, adapter_r, adapter_alpha) if adapter else None,
        "sha256": hashlib.sha256(data).hexdigest(),
    }
    (folder / "head.safetensors").write_bytes(data)
    (folder / "head.json").write_text(seal(fields), encoding="utf-8", newline="")
    return Head.load(folder)


def _adapter(folder: Path, source: Path, r: int, alpha: float) -> dict[str, Any]:
    data = source.read_bytes()
    (folder / "adapter.safetensors").write_bytes(data)
    return {"file": "adapter.safetensors", "r": r, "alpha": alpha, "sha256": hashlib.sha256(data).hexdigest()}
