"""PET: a penalty on hidden states that bend from token to token (smoothness.py), seen by a forward hook on every block.

Each hook reduces its block's output to one scalar at once, so that no list of hidden states is kept: the mask has to be
known before the forward. Backward needs the output again, in its own type and without a copy: under gradient
checkpointing it is the input that the next block keeps anyway.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from so8t.training.blocks import blocks as find_blocks
from so8t.training.smoothness import smoothness


class PetError(Exception):
    """The root of this module's errors."""


class NotWatched(PetError):
    """For each batch: `watch`, one forward, `loss`. Something of that is missing or came twice."""


class NoGradient(PetError):
    """PET would not reach the weights. The message says what hides them and what to do."""


class Pet:
    """Hooks on every block, from `with Pet(model) as pet` to its end, also by an exception.

    For each batch: `pet.watch(mask)`, the model's forward, `pet.loss()`. A forward without `watch` costs nothing. The
    model's outputs stay the same to the last bit, and so do its gradients where the term is not added.
    """

    def __init__(self, model: nn.Module, blocks: Sequence[nn.Module] | None = None) -> None:
        """Args: the model, and its blocks where they cannot be found. Raises blocks.BlocksNotFound."""
        self._blocks = list(find_blocks(model) if blocks is None else blocks)
        self._handles: list[RemovableHandle] = []
        self._mask: Tensor | None = None
        self._seen: dict[int, tuple[Tensor, bool]] = {}  # block -> its term, and whether gradients were on

    def __enter__(self) -> Self:
        self._handles += [b.register_forward_hook(partial(self._see, n)) for n, b in enumerate(self._blocks)]
        return self

    def __exit__(self, *_: object) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles, self._mask, self._seen = [], None, {}

    def watch(self, mask: Tensor) -> None:
        """The next forward counts. mask: (B, T), 1 or True at valid tokens. Raises NotWatched outside `with`."""
        if not self._handles:
            raise NotWatched("no hooks are set: use `with Pet(model) as pet:`")
        self._mask, self._seen = mask, {}

    def loss(self) -> Tensor:
        """The mean over blocks for the forward since `watch`: a scalar, float32 or better. It can be had once.

        Raises:
            NotWatched: `watch` was not called, or not every block ran.
            NoGradient: gradients are on, but a block that is trained gave an output without one.
        """
        seen, self._mask, self._seen = self._seen, None, {}
        missing = [number for number in range(len(self._blocks)) if number not in seen]
        if missing:
            raise NotWatched(f"block {missing[0]} did not run: call watch(mask), then the whole model, then loss()")
        if torch.is_grad_enabled():
            for number, (value, recorded) in seen.items():
                self._check_gradient(number, value, recorded)
        first = seen[0][0].device  # a model may be spread over devices
        return torch.stack([value.to(first) for value, _ in seen.values()]).mean()

    def _see(self, number: int, _module: nn.Module, _inputs: Any, output: Any) -> None:
        # Where a checkpoint encloses the hook, backward runs it again to recompute the block: that is no new batch.
        if self._mask is None or torch._C._current_graph_task_id() != -1:
            return
        if number in self._seen:
            raise NotWatched(f"block {number} ran twice: call watch(mask) before each forward and loss() after it")
        states = output if isinstance(output, Tensor) else output[0]  # (B, T, D); some blocks give a tuple
        self._seen[number] = smoothness(states, self._mask), torch.is_grad_enabled()

    def _check_gradient(self, number: int, value: Tensor, recorded: bool) -> None:
        if value.requires_grad or not any(p.requires_grad for p in self._blocks[number].parameters()):
            return
        if recorded:
            raise NoGradient(f"block {number} is trained but has no gradient: call model.enable_input_require_grads()")
        raise NoGradient(f"block {number} ran without gradients: checkpoint with use_reentrant=False")
