"""Bytes of a model's tensors by what they are for, and of its optimizer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from torch import Tensor, nn

from so8t.training.model import Judging
from so8t.training.shape_model import Nf4

SMALL = 4096  # elements; below, bitsandbytes keeps 32 bits (min_8bit_size of its optimizers)
BLOCK = 256  # elements of 8-bit state that share a float32 scale (Optimizer2State.init_state)


@dataclass(frozen=True, slots=True)
class Weights:
    """Bytes. A tensor that is used twice (tied embeddings) counts once."""

    packed: int  # the base's NF4 weights with their scales
    whole: int  # the rest of the base: embeddings, norms, biases, LM head; everything without quantisation
    adapter: int
    head: int


def weights(model: Judging) -> Weights:
    """Of a model on fake tensors, or a real one whose NF4 layers are shape_model.Nf4."""
    quantised = [module for module in model.modules() if isinstance(module, Nf4)]
    packed = {id(t): t for module in quantised for t in (module.weight, *module.buffers())}
    base = {id(t): t for t in (*model.base.parameters(), *model.base.buffers())}
    rest = [t for key, t in base.items() if key not in packed]
    return Weights(
        packed=size(packed.values()),
        whole=size(t for t in rest if not t.requires_grad),
        adapter=size(t for t in rest if t.requires_grad),
        head=size(model.head.parameters()),
    )


def optimizer(parameters: Iterable[nn.Parameter], kind: str) -> int:
    """Bytes of AdamW's two states.

    adamw_torch: 2 x float32 for each element. paged_adamw_8bit: 2 x 1 byte and 2 x float32 for each started block of
    256, in tensors of 4,096 elements or more, else as adamw_torch. Its states are paged: CUDA may move them to the
    host's memory, so this is the most that they take of the GPU's.
    """
    counts = [p.numel() for p in parameters]
    if kind == "adamw_torch":
        return 8 * sum(counts)
    return sum(8 * n if n < SMALL else 2 * n + 8 * -(-n // BLOCK) for n in counts)


def size(tensors: Iterable[Tensor]) -> int:
    """Bytes of their elements."""
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)
