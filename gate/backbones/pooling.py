"""How the hidden states of a window become one vector. Training and gate use the same names."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Pooling = Literal["mean", "cls", "last"]


def pooled(states: NDArray[np.float32], pooling: Pooling) -> NDArray[np.float32]:
    """(T, D) -> (D,), not normalised: the mean over all tokens, the first, or the last."""
    if pooling == "mean":
        return np.asarray(states.mean(axis=0, dtype=np.float32), dtype=np.float32)
    return np.array(states[0 if pooling == "cls" else -1], np.float32)
