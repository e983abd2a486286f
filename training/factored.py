"""Whole matrices trained, and an adapter kept of them: of what each one changed by, its r largest components.

A small encoder learns more when its matrices themselves are trained; a head's folder holds no more than an adapter. The
truncated singular value decomposition is the closest matrix of rank r (Eckart and Young, Psychometrika 1936).
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from so8t.training.recipe import Lora


def targeted(model: nn.Module, lora: Lora) -> dict[str, nn.Linear]:
    """The layers that lora.targets names, by their names in the model."""
    linear = {name: m for name, m in model.named_modules() if isinstance(m, nn.Linear)}
    return {n: m for n, m in linear.items() if any(f".{n}".endswith(f".{target}") for target in lora.targets)}


def unfreeze(model: PreTrainedModel, lora: Lora) -> PreTrainedModel:
    """The model with nothing to train but those layers' matrices."""
    model.requires_grad_(False)
    for layer in targeted(model, lora).values():
        layer.weight.requires_grad_(True)
    return model


@torch.no_grad()
def factored(model: nn.Module, before: Mapping[str, Tensor], lora: Lora) -> dict[str, Tensor]:
    """The adapter, and the model changed to what base and adapter make: what is measured next is what is written.

    Args:
        model: as trained.
        before: the base's weights, by name.
        lora: r and the targets.

    Returns:
        In peft's naming, float16: lora_A (r, D_in) and lora_B (D_out, r) of each layer, to be added with scaling 1.
    """
    adapter = {}
    for name, layer in targeted(model, lora).items():
        old = before[f"{name}.weight"].to(layer.weight)
        u, s, v = torch.linalg.svd(layer.weight - old, full_matrices=False)  # (D_out, K), (K,), (K, D_in)
        root = s[: lora.r].sqrt()
        b, a = (u[:, : lora.r] * root).half(), (root[:, None] * v[: lora.r]).half()
        layer.weight.copy_(old + b.to(old) @ a.to(old))
        adapter[f"base_model.model.{name}.lora_A.weight"] = a.cpu().contiguous()
        adapter[f"base_model.model.{name}.lora_B.weight"] = b.cpu().contiguous()
    return adapter
