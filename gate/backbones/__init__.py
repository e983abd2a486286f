"""What the head looks through: a transformer that turns rendered text into pooled vectors.

One Protocol, several back ends, chosen by name in agent.toml and loaded only when named.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Rendered:
    """A proposal as text: every window of `body` lines is read under the same `header`."""

    header: str
    body: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Pooled:
    """One pooled vector per window, and how much of the text the tokenizer knew."""

    vectors: NDArray[np.float32]  # (W, D): W windows
    tokens: int  # of all windows, without [CLS] and [SEP]
    unknown: int  # of them, unknown to the vocabulary


class Backbone(Protocol):
    """A transformer whose last hidden state is pooled."""

    @property
    def id(self) -> str:
        """Name and SHA-256 of the weights, as the head's metadata must name them."""
        ...

    @property
    def dimension(self) -> int:
        """D, the width of the hidden state."""
        ...

    async def pool(self, rendered: Rendered) -> Pooled:
        """Split into windows and pool each one's last hidden state.

        Raises:
            BackboneFault: crash, timeout, or a text that cannot be split into windows within the limit.
        """
        ...

    async def close(self) -> None:
        """Stop the worker. Idempotent."""
        ...


class BackboneFault(Exception):
    """The backbone gave no vectors. The gate turns this into a verdict with source `fault`."""
