"""The safety head: a base model's last hidden states in, logits of (ALLOW, ESCALATE, REFUSE) out, always in float32."""

from __future__ import annotations

from collections.abc import Callable
from typing import Self, get_args

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - torch's own name for it
from numpy.typing import NDArray
from torch import Tensor, nn

from so8t.gate.backbones.pooling import Pooling
from so8t.gate.head_file import LABELS
from so8t.gate.names import unknown


class SafetyHeadError(Exception):
    """The root of this module's errors."""


class StatesUnfit(SafetyHeadError):
    """Hidden states and mask do not fit each other or the head. The message gives both shapes."""


class NothingToPool(SafetyHeadError):
    """A row has no valid token."""


class HeadCast(SafetyHeadError):
    """The head's weights are no longer float32."""


def pooled(states: Tensor, mask: Tensor, pooling: Pooling) -> Tensor:
    """One vector for each row, in float32 or better, as the gate pools a single text without padding.

    Args:
        states: (B, T, D) hidden states. What stands in the padding is never looked at, NaN included.
        mask: (B, T), 1 or True at valid tokens; padding may stand left, right or anywhere.
        pooling: the mean over the valid tokens, the first of them ("cls") or the last.

    Returns:
        (B, D).

    Raises:
        StatesUnfit: the shapes do not fit.
        NothingToPool: a row without a valid token.
        ValueError: no such pooling.
    """
    if states.ndim != 3 or mask.shape != states.shape[:2]:
        raise StatesUnfit(f"states {tuple(states.shape)} must be (B, T, D), the mask {tuple(mask.shape)} (B, T)")
    if pooling not in get_args(Pooling):
        raise ValueError(unknown("pooling", pooling, get_args(Pooling)))
    valid = mask.to(states.device).bool()  # (B, T)
    if not bool(valid.any(1).all()):
        row = int((~valid.any(1)).int().argmax()) if valid.shape[1] else 0
        raise NothingToPool(
            f"row {row} of the batch has no valid token: leave out cases without text, or look at the mask"
        )
    wide = torch.promote_types(states.dtype, torch.float32)
    if pooling == "mean":
        kept = states.to(wide).masked_fill(~valid.unsqueeze(-1), 0.0)  # (B, T, D)
        return kept.sum(1) / valid.sum(1, keepdim=True)
    places = torch.arange(valid.shape[1], device=valid.device)  # (T,)
    found = places.masked_fill(~valid, valid.shape[1]).amin(1) if pooling == "cls" else (places * valid).amax(1)  # (B,)
    return states[torch.arange(len(states), device=states.device), found].to(wide)


class SafetyHead(nn.Module):
    """Pool -> Linear(D, H) -> GELU (exact) -> dropout -> Linear(H, 3). It shares no weights with the base.

    The weights stay float32 when the model around them is cast: at a rate of 1e-5 most updates of a bfloat16 weight
    would round to nothing.
    """

    def __init__(
        self,
        dimension: int,
        pooling: Pooling,
        dropout: float = 0.1,
        hidden: int | None = None,
        stop_gradient: bool = False,
    ) -> None:
        """A new head with random weights.

        Args:
            dimension: D, the width of the base's hidden states.
            pooling: see `pooled`.
            dropout: probability, while training.
            hidden: H; None: D // 2.
            stop_gradient: the base learns nothing from what the head's loss says.

        Raises:
            ValueError: no such pooling, or a size below 1.
        """
        super().__init__()
        if pooling not in get_args(Pooling):
            raise ValueError(unknown("pooling", pooling, get_args(Pooling)))
        width = dimension // 2 if hidden is None else hidden
        if dimension < 1 or width < 1:
            raise ValueError(f"a head of dimension {dimension} and hidden size {width}: both must be at least 1")
        self.pooling: Pooling = pooling
        self.stop_gradient = stop_gradient
        self.hidden = nn.Linear(dimension, width, dtype=torch.float32)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(width, len(LABELS), dtype=torch.float32)

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        """(B, T, D) states of any float type and (B, T) mask -> (B, 3) logits in float32, also under autocast.

        Raises:
            StatesUnfit, NothingToPool: see `pooled`; or D is not the head's.
            HeadCast: somebody replaced the weights by narrower ones.
        """
        if states.shape[-1] != self.hidden.in_features:
            raise StatesUnfit(
                f"states of shape {tuple(states.shape)} for a head of dimension {self.hidden.in_features}"
            )
        if any(weight.dtype != torch.float32 for weight in self.parameters()):
            raise HeadCast("the head's weights are not float32: load them in float32, and cast the base alone")
        with torch.autocast(states.device.type, enabled=False):
            vectors = pooled(states, mask, self.pooling).float()  # (B, D)
            if self.stop_gradient:
                vectors = vectors.detach()
            logits: Tensor = self.output(self.dropout(F.gelu(self.hidden(vectors))))  # (B, 3)
        return logits

    def arrays(self) -> dict[str, NDArray[np.float32]]:
        """The weights by the names that gate.head_save expects: copies, on the CPU."""
        return {name: value.detach().cpu().numpy().copy() for name, value in self.state_dict().items()}

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """What `.to`, `.half`, `.cuda` of this module and of every module around it go through: moves, never casts."""

        def move(value: Tensor) -> Tensor:
            changed = fn(value)
            return changed if changed.dtype == value.dtype else value.to(changed.device)

        super()._apply(move, recurse)  # type: ignore[no-untyped-call]  # torch does not type it
        return self
