"""How much hidden states bend from token to token: PET's term of one block.

For hidden states h (B, T, D): the second difference d[t] = h[t] - 2 h[t+1] + h[t+2] at every three consecutive valid
tokens, its square summed over D, mean over triples, divided by D and by the mean square of h over the valid tokens. It
is 6 for independent random tokens and 0 for states that change evenly.

The mean square is part of the gradient. Held constant, it would leave a push that shrinks the states for ever without
lowering the quotient, and that grows as they shrink; as it is, scaling h changes nothing, the gradient is orthogonal to
h, and what is logged is exactly what is minimised. The price: a larger component that all tokens share lowers the term
as well, one reason to watch its share of the loss.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.autograd.graph import saved_tensors_hooks

SLICE = 2**22  # elements that are worked on at once
TINY = 1e-12  # keeps a block of zeros finite


class SmoothnessError(Exception):
    """The root of this module's errors."""


class StatesUnfit(SmoothnessError):
    """Hidden states do not fit the mask. The message gives both shapes."""


class StatesChanged(SmoothnessError):
    """Hidden states were changed in place before backward."""


def smoothness(states: Tensor, mask: Tensor) -> Tensor:
    """(B, T, D) states of any float type and (B, T) mask, 1 or True at valid tokens -> scalar, float32 or better.

    Padding has no effect, NaN in it included, and gets no gradient. Without a valid triple it is 0, with a graph.
    Can be differentiated once.

    Raises:
        StatesUnfit: the shapes do not fit.
        StatesChanged: in backward.
    """
    if states.ndim != 3 or mask.shape != states.shape[:2]:
        raise StatesUnfit(f"states {tuple(states.shape)} must be (B, T, D), the mask {tuple(mask.shape)} (B, T)")
    with saved_tensors_hooks(_same, _same):  # a checkpoint around us must not wait for these when it recomputes
        value: Tensor = _Smoothness.apply(states, mask.to(states.device).bool())  # type: ignore[no-untyped-call]
    return value


class _Smoothness(torch.autograd.Function):
    """Written out, because autograd would keep several float32 copies of the states until backward."""

    @staticmethod
    def forward(ctx: Any, states: Tensor, mask: Tensor) -> Tensor:
        bend = square = torch.zeros((), dtype=_wide(states), device=states.device)
        for h, d, _ in _slices(states, mask):
            bend, square = bend + d.square_().sum(), square + h.square_().sum()
        tokens, triples = mask.sum().clamp(min=1), _triples(mask).sum().clamp(min=1)
        scale = square / tokens + TINY * states.shape[2]  # D times the mean square; D itself cancels
        ctx.save_for_backward(states, mask, bend, scale, tokens, triples)
        ctx.version = states._version
        return bend / triples / scale

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        states, mask, bend, scale, tokens, triples = ctx.saved_tensors
        if states._version != ctx.version:
            raise StatesChanged("a block's output was changed in place after the block: PET's gradient would be wrong")
        outer = 2 * gradient / triples / scale  # by d
        inner = -outer * bend / scale / tokens  # by h, through the scale
        result = torch.empty_like(states)  # (B, T, D)
        for h, d, rows in _slices(states, mask):
            d, g = d.mul_(outer), h.mul_(inner)
            g[:, :-2] += d  # the transpose of the second difference
            g[:, 1:-1].sub_(d, alpha=2)
            g[:, 2:] += d
            result[rows] = g
        return result, None


def _slices(states: Tensor, mask: Tensor) -> Iterator[tuple[Tensor, Tensor, slice]]:
    """A few rows at a time: h (b, T, D) and d (b, T-2, D), 0 where not valid, ours to overwrite; and which rows."""
    step = max(1, SLICE // max(1, states.shape[1] * states.shape[2]))
    for start in range(0, len(states), step):
        rows = slice(start, start + step)
        h = states[rows].masked_fill(~mask[rows].unsqueeze(-1), 0).to(_wide(states))  # (b, T, D)
        d = (h[:, :-2] + h[:, 2:]).sub_(h[:, 1:-1], alpha=2)  # (b, T-2, D)
        yield h, d.masked_fill_(~_triples(mask[rows]).unsqueeze(-1), 0), rows


def _triples(mask: Tensor) -> Tensor:
    """(B, T) -> (B, T-2): three valid tokens start here."""
    return mask[:, :-2] & mask[:, 1:-1] & mask[:, 2:]


def _wide(states: Tensor) -> torch.dtype:
    return torch.promote_types(states.dtype, torch.float32)


def _same(value: Tensor) -> Tensor:
    return value
