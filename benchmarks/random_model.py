"""Random models of published shapes, quantised to NF4 and with LoRA, as training makes them of real ones."""

from __future__ import annotations

from typing import Any

import bitsandbytes as bnb
import torch
from torch import nn
from transformers import LlamaConfig, MistralConfig, PretrainedConfig, Qwen2Config

from so8t.training import base as bases
from so8t.training import shape_model
from so8t.training.model import Judging
from so8t.training.recipe import Recipe
from so8t.training.safety_head import SafetyHead

STRENGTH = 0.2  # of PET
EIGHT = {"hidden_size": 4096, "intermediate_size": 14336, "num_attention_heads": 32, "num_key_value_heads": 8}
THREE = {"hidden_size": 2048, "intermediate_size": 11008, "num_attention_heads": 16, "num_key_value_heads": 2}
SHAPES: dict[str, tuple[type[PretrainedConfig], dict[str, Any]]] = {
    "mistral-7b": (MistralConfig, {**EIGHT, "num_hidden_layers": 32, "vocab_size": 32000, "sliding_window": None}),
    "llama-3-8b": (LlamaConfig, {**EIGHT, "num_hidden_layers": 32, "vocab_size": 128256}),
    "qwen2.5-3b": (Qwen2Config, {**THREE, "num_hidden_layers": 36, "vocab_size": 151936, "tie_word_embeddings": True}),
}
SMALL = {"hidden_size": 512, "num_hidden_layers": 4, "num_attention_heads": 8, "vocab_size": 2048}


def config_of(shape: str, small: bool) -> PretrainedConfig:
    """The shape, or a small model of its family with the same proportions of the MLP and of the key-value heads."""
    kind, sizes = SHAPES[shape]
    if small:
        mlp = SMALL["hidden_size"] * sizes["intermediate_size"] // sizes["hidden_size"]
        heads = SMALL["num_attention_heads"] * sizes["num_key_value_heads"] // sizes["num_attention_heads"]
        sizes = {**sizes, **SMALL, "intermediate_size": mlp, "num_key_value_heads": heads}
    return kind(**sizes, max_position_embeddings=8192, use_cache=False)


def recipe_of(rank: int, *, cuda: bool) -> Recipe:
    """QLoRA with everything that saves memory."""
    train = {"micro_batch": 1, "gradient_checkpointing": True, "precision": "bf16" if cuda else "float32"}
    train["optimizer"] = "paged_adamw_8bit" if cuda else "adamw_torch"
    return Recipe.model_validate(
        {
            "model": {"base": "random", "kind": "causal", "quantisation": "nf4"},
            "lora": {"r": rank},
            "pet": {"strength": STRENGTH},
            "train": train,
            "export": {"gguf": ["q8_0"]},
        }
    )


def built(recipe: Recipe, config: PretrainedConfig, device: str) -> Judging:
    """Random weights on the device: never more than one matrix of a block that is not quantised."""
    base: Any = shape_model.bare(recipe, config)
    shape_model.quantise(recipe, base)
    dtype = base.dtype
    for module in list(base.modules()):
        for name, old in list(module._parameters.items()):
            if old is not None and old.is_meta:
                module._parameters[name] = _random(module, old, dtype, device)
    base.tie_weights()
    base.model.rotary_emb = type(base.model.rotary_emb)(base.config).to(device)
    adapted = bases._adapted(base, recipe)
    head = SafetyHead(config.hidden_size, recipe.model.pooling, recipe.model.dropout).to(device)
    return Judging(adapted, head, recipe.loss, causal=True).train()


def _random(module: nn.Module, old: nn.Parameter, dtype: torch.dtype, device: str) -> nn.Parameter:
    values = torch.randn(old.shape, dtype=dtype, device=device).mul_(0.02)
    if isinstance(module, bnb.nn.Linear4bit) and isinstance(old, bnb.nn.Params4bit):
        return bnb.nn.Params4bit(values, requires_grad=False, **old.__dict__).to(device)  # quantises it
    return nn.Parameter(values if values.ndim > 1 else values + 1, requires_grad=False)  # norms are about 1
