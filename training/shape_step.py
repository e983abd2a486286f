"""One training step on fake tensors, with every byte counted that autograd and the operators ask for.

What is counted is what the real classes do: the model's own forward, checkpointing, LoRA and PET. Only three things
differ from a GPU and are put right here: the CPU's dropout would keep a float for each element instead of a byte, its
attention cannot drop out without keeping (T, T) weights, and conditions on values cannot be asked of fake tensors, so
the head's pooling is written out and every token is valid. What an operator needs inside itself is not seen.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own name for it
from peft import PeftModel
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from so8t.training.losses import token_loss
from so8t.training.model import Judging
from so8t.training.pet import Pet


@dataclass(frozen=True, slots=True)
class Step:
    """Bytes above what is there before the step: weights, gradients, optimizer."""

    kept: int  # at the end of the base's forward: what backward will need
    forward: int  # most at once: the base's forward
    learnt: int  # head, logits and losses, and their backward as far as the base's last hidden state
    backward: int  # the base's backward, with the recomputation of blocks under checkpointing


class Bytes(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch does not type its subclassing
    """Counts the storages that operators make, until the last tensor on them is gone."""

    def __init__(self, known: Iterator[Tensor]) -> None:
        """`known`: tensors that are there already."""
        super().__init__()  # type: ignore[no-untyped-call]  # nor this
        self.live = self.most = 0
        self._known = {tensor.untyped_storage()._cdata for tensor in known}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(out):
            if isinstance(tensor, Tensor):
                self._see(tensor.untyped_storage())
        return out

    def since(self) -> int:
        """The most that was live at once since the last call."""
        most, self.most = self.most, self.live
        return most

    def _see(self, storage: torch.UntypedStorage) -> None:
        key, size = storage._cdata, storage.nbytes()
        if key in self._known:
            return
        self._known.add(key)
        self.live += size
        self.most = max(self.most, self.live)
        weakref.finalize(storage, self._gone, key, size)

    def _gone(self, key: int, size: int) -> None:
        self._known.discard(key)
        self.live -= size


def run(model: Judging, rows: int, tokens: int, learnt: int, *, bf16: bool, pet: bool) -> Step:
    """A micro-batch of (rows, tokens) that is not the first of its step, so that the gradients are there already.

    Args:
        model: on fake tensors (shape_model.to_fake); call it under their mode.
        learnt: N, tokens whose logits the language model's loss is made of.
        bf16: under autocast.
        pet: with PET's term.
    """
    there = [*model.parameters(), *model.buffers()]
    for parameter in model.parameters():
        parameter.grad = torch.empty_like(parameter) if parameter.requires_grad else None
    there += [p.grad for p in model.parameters() if p.grad is not None]
    ids = torch.zeros(rows, tokens, dtype=torch.int64)  # (B, T)
    phases: list[int] = []
    with _as_on_a_gpu(bf16) as autocast, Bytes(iter([*there, ids])) as seen, Pet(model.base) as watching:
        mask = torch.ones_like(ids)  # (B, T)
        with autocast():
            if pet:
                watching.watch(mask)
            states = model.states(ids, mask)  # (B, T, D)
            term = watching.loss() if pet else torch.zeros(())
            kept, forward = seen.live, seen.since()
            if states.requires_grad:
                states.register_hook(lambda _: phases.append(seen.since()))  # type: ignore[no-untyped-call]
            loss = _losses(model, states, mask, learnt) + term
        del states, term
        loss.backward()  # type: ignore[no-untyped-call]  # torch does not type it
        del loss
        phases.append(seen.since())
    return Step(kept, forward, phases[0], phases[1] if len(phases) > 1 else 0)


def _losses(model: Judging, states: Tensor, mask: Tensor, learnt: int) -> Tensor:
    """What Judging.forward does from the last hidden state on, without conditions on values."""
    if model.head.pooling == "mean":
        pooled = states.float().masked_fill((mask == 0).unsqueeze(-1), 0.0).sum(1)  # (B, D), by way of (B, T, D)
    else:
        pooled = states[:, 0].float()  # (B, D); the last token costs the same
    with torch.autocast("cpu", enabled=False):
        loss: Tensor = model.head.output(F.gelu(model.head.hidden(pooled))).sum()
    inner: Any = model.base.get_base_model() if isinstance(model.base, PeftModel) else model.base
    if inner.get_output_embeddings() is None:  # an encoder
        return loss
    vectors = states[:, :-1].reshape(-1, states.shape[2])[:learnt].clone()  # (N, D)
    return loss + token_loss(inner.get_output_embeddings()(vectors), torch.zeros(learnt, dtype=torch.int64))


@contextmanager
def _as_on_a_gpu(bf16: bool) -> Iterator[Callable[[], Any]]:
    """Gives what to run forwards under. The rest holds in backward as well, where blocks are recomputed.

    A function mode of torch's would not: backward runs without it.
    """
    dropout, attention, autocast = F.dropout, F.scaled_dot_product_attention, torch.is_autocast_enabled("cuda")
    torch.set_autocast_enabled("cuda", bf16)  # peft asks whether it is on for a GPU
    F.dropout = _dropout  # type: ignore[assignment]  # its first parameter has another name
    F.scaled_dot_product_attention = lambda *a, **k: attention(*a, **(k | {"dropout_p": 0.0}))
    try:
        yield lambda: torch.autocast("cpu", dtype=torch.bfloat16) if bf16 else nullcontext()
    finally:
        F.dropout, F.scaled_dot_product_attention = dropout, attention
        torch.set_autocast_enabled("cuda", autocast)


def _dropout(x: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """A GPU's kernel: it keeps a bool for each element."""
    return torch.native_dropout(x, p, True)[0] if training and p else x
