"""The model of a recipe on shapes alone: built, quantised and adapted as for training, without a byte of weights.

Two of torch's devices without data are used. On the meta device the model is built by the same calls that training
makes. A forward there would say nothing of autocast; so its tensors then become fake ones (FakeTensorMode), which claim
to be on the CPU and go through autograd and autocast as real ones do.
"""

from __future__ import annotations

import copy
import warnings
from typing import Any

import torch
from bitsandbytes.nn.modules import Linear4bit
from torch import Tensor, nn
from transformers import PretrainedConfig, PreTrainedModel
from transformers.quantizers.auto import AutoHfQuantizer

from so8t.training import base as bases
from so8t.training.model import Judging
from so8t.training.recipe import Recipe
from so8t.training.safety_head import SafetyHead

BLOCK = 64  # weights that share a scale in bitsandbytes' NF4
NESTED = 256  # scales that share a scale, by double quantisation


def bare(recipe: Recipe, config: PretrainedConfig) -> PreTrainedModel:
    """The base on the meta device, before anything is done to it. Raises ValueError for a config without a model."""
    dtype = bases._options(recipe)["dtype"]
    with torch.device("meta"):
        model: PreTrainedModel = bases._auto(recipe).from_config(copy.deepcopy(config), dtype=dtype)
    return model


def quantise(recipe: Recipe, base: PreTrainedModel) -> None:
    """Linear4bit in place of Linear where transformers would put it; the weights are still on the meta device."""
    quantisation = bases._options(recipe).get("quantization_config")
    if quantisation is not None:
        quantizer = AutoHfQuantizer.from_config(quantisation, pre_quantized=False)
        quantizer.preprocess_model(base, device_map=None)
        quantizer.postprocess_model(base)


def judging(recipe: Recipe, base: PreTrainedModel) -> Judging:
    """What training makes of `bare`: quantised, with adapter and head, still on the meta device."""
    quantise(recipe, base)
    with torch.device("meta"), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # transformers, on a name that peft and training use
        adapted = bases._adapted(base, recipe)
        head = SafetyHead(int(base.config.hidden_size), recipe.model.pooling, recipe.model.dropout)
        return Judging(adapted, head, recipe.loss, causal=recipe.model.kind == "causal").train()


def to_fake(model: nn.Module) -> None:
    """Under a FakeTensorMode: fake tensors in place of all meta tensors, shared where those were."""
    for name, module in list(model.named_modules()):
        if isinstance(module, Linear4bit):
            model.set_submodule(name, Nf4(module))
    made: dict[int, tuple[Tensor, Tensor]] = {}  # id -> old and new: an id counts only while its tensor lives

    def fake(old: Tensor) -> Tensor:
        if id(old) not in made:
            new = torch.empty(old.shape, dtype=old.dtype, device="cpu")
            made[id(old)] = old, nn.Parameter(new, old.requires_grad) if isinstance(old, nn.Parameter) else new
        return made[id(old)][1]

    holders: list[dict[str, Any]] = [held for m in model.modules() for held in (m._parameters, m._buffers)]
    for held in holders:
        held.update({name: fake(old) for name, old in held.items() if old is not None and old.is_meta})


class Nf4(nn.Module):
    """In place of bitsandbytes' Linear4bit, whose weight cannot be a fake tensor: the same buffers.

    A forward or backward expands the scales, then the weight, multiplies, and drops both, as its dequantize_4bit does.
    """

    def __init__(self, like: Linear4bit) -> None:
        """From one on the meta device, still of the shape (out, in) of the weight that it will hold."""
        super().__init__()
        self.shape = (like.out_features, like.in_features)
        self.compute_dtype = like.compute_dtype
        count = self.shape[0] * self.shape[1]
        scales = -(-count // BLOCK)
        self.weight = nn.Parameter(torch.empty((count + 1) // 2, 1, dtype=torch.uint8), requires_grad=False)
        self.bias = like.bias
        self.register_buffer("absmax", torch.empty(scales, dtype=torch.uint8))
        self.register_buffer("nested", torch.empty(-(-scales // NESTED), dtype=torch.float32))
        self.register_buffer("code", torch.empty(16, dtype=torch.float32))
        self.register_buffer("nested_code", torch.empty(256, dtype=torch.float32))
        self.register_buffer("offset", torch.empty((), dtype=torch.float32))

    def forward(self, x: Tensor) -> Tensor:
        """(..., in) -> (..., out), of the type of x."""
        product: Tensor = _Product.apply(x.to(self.compute_dtype), self.shape)  # type: ignore[no-untyped-call]
        return (product if self.bias is None else product + self.bias.to(product.dtype)).to(x.dtype)


class _Product(torch.autograd.Function):
    """Keeps nothing for backward: the packed weight is there anyway, and gets no gradient."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, shape: tuple[int, int]) -> Tensor:
        ctx.shape = shape
        return x @ _expanded(x, shape).t()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return gradients[0] @ _expanded(gradients[0], ctx.shape), None


def _expanded(like: Tensor, shape: tuple[int, int]) -> Tensor:
    """The scales in float32, then the weight in the type it is computed in."""
    scales = torch.empty(-(-shape[0] * shape[1] // BLOCK), dtype=torch.float32, device=like.device)
    weight = torch.empty(shape, dtype=like.dtype, device=like.device)
    del scales
    return weight
