"""The head: pooled vectors in, probabilities of (ALLOW, ESCALATE, REFUSE) out. numpy only.

A folder holds it: head.json, head.safetensors and, where the backbone was adapted, adapter.safetensors. No pickle.
Arrays, all float32: `hidden.weight` (H, D), `hidden.bias` (H), `output.weight` (3, H), `output.bias` (3); a linear head
has `output.weight` (3, D) and no `hidden.*`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import safetensors
import safetensors.numpy
from numpy.typing import NDArray

from so8t.gate.head_file import LABELS, HeadFile, HeadNotReady, read
from so8t.gate.render import RENDERING

__all__ = ["Head", "HeadFault", "HeadNotReady"]

Weights = Mapping[str, NDArray[np.float32]]
_ERF = np.frompyfunc(math.erf, 1, 1)  # exact; H is a few hundred, so the loop costs microseconds


class HeadFault(Exception):
    """No probabilities can be had: a wrong shape, NaN or infinity in the vectors or the result."""


@dataclass(frozen=True, slots=True)
class Head:
    """A loaded head."""

    meta: HeadFile
    digest: str  # SHA-256 (hex) of head.json, which holds the hash of the weights
    weights: Weights

    @classmethod
    def load(cls, folder: Path) -> Head:
        """Read and check everything. Raises HeadNotReady, which says what to do."""
        meta, data, digest = read(Path(folder), RENDERING)
        try:
            weights = safetensors.numpy.load(data)
        except safetensors.SafetensorError as error:
            raise HeadNotReady(f"{folder}: head.safetensors is damaged ({error}): train the head again") from None
        _check_weights(folder, meta, weights)
        return cls(meta, digest, weights)

    def deciding_at(self, allow: float | None = None, refuse: float | None = None) -> Head:
        """The same head with other thresholds; None: its own."""
        chosen = {"allow_threshold": allow, "refuse_threshold": refuse}
        return replace(self, meta=self.meta.model_copy(update={k: v for k, v in chosen.items() if v is not None}))

    def probabilities(self, vectors: NDArray[np.float32]) -> NDArray[np.float64]:
        """Softmax of the head's logits divided by the temperature, in float64.

        Args:
            vectors: (W, D), one pooled vector for each window, W >= 1.

        Returns:
            (W, 3), each row in the order ALLOW, ESCALATE, REFUSE and of sum 1.

        Raises:
            HeadFault: a wrong shape, no window, NaN or infinity.
        """
        if vectors.ndim != 2 or vectors.shape[0] == 0 or vectors.shape[1] != self.meta.dimension:
            raise HeadFault(f"the backbone gave vectors of shape {vectors.shape}, not (W, {self.meta.dimension})")
        if not np.isfinite(vectors).all():
            raise HeadFault("the backbone gave NaN or infinity")
        with np.errstate(over="ignore", invalid="ignore"):  # looked at below
            logits = self._logits(vectors.astype(np.float64)) / self.meta.temperature
            powers = np.exp(logits - logits.max(axis=1, keepdims=True))
            result: NDArray[np.float64] = powers / powers.sum(axis=1, keepdims=True)
        if not np.isfinite(result).all():
            raise HeadFault("the head gave NaN or infinity")
        return result

    def _logits(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        if self.meta.hidden:
            x = _gelu(x @ self.weights["hidden.weight"].T.astype(np.float64) + self.weights["hidden.bias"])
        logits: NDArray[np.float64] = (
            x @ self.weights["output.weight"].T.astype(np.float64) + self.weights["output.bias"]
        )
        return logits


def _gelu(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """x/2 (1 + erf(x / sqrt 2)): the exact form of Hendrycks and Gimpel, arXiv:1606.08415, equation 1."""
    result: NDArray[np.float64] = 0.5 * x * (1.0 + np.asarray(_ERF(x / math.sqrt(2.0)), dtype=np.float64))
    return result


def _check_weights(folder: Path, meta: HeadFile, weights: Weights) -> None:
    width = meta.hidden or meta.dimension
    expected: dict[str, tuple[int, ...]] = {"output.weight": (len(LABELS), width), "output.bias": (len(LABELS),)}
    if meta.hidden:
        expected |= {"hidden.weight": (meta.hidden, meta.dimension), "hidden.bias": (meta.hidden,)}
    if set(weights) != set(expected):
        raise HeadNotReady(f"{folder}: the head has {sorted(weights)}, not {sorted(expected)}: train it again")
    for name, shape in expected.items():
        if weights[name].shape != shape or weights[name].dtype != np.float32:
            found = f"{weights[name].dtype} {weights[name].shape}"
            raise HeadNotReady(f"{folder}: {name} is {found}, not float32 {shape}: train the head again")
        if not np.isfinite(weights[name]).all():
            raise HeadNotReady(f"{folder}: {name} holds NaN or infinity: train the head again")
