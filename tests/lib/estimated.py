"""Recipes and a small model for the tests of the memory estimate."""

from __future__ import annotations

from typing import Any

from transformers import LlamaConfig

from so8t.training.estimate import Estimate
from so8t.training.recipe import Recipe

SIZES = {"hidden_size": 64, "num_hidden_layers": 4, "num_attention_heads": 4, "intermediate_size": 160}
DECODER = {**SIZES, "num_key_value_heads": 2, "vocab_size": 300, "max_position_embeddings": 512}
SMALL = LlamaConfig(**DECODER)


def recipe(kind: str = "causal", **changes: Any) -> Recipe:
    """Small QLoRA without dropout; `lora_r=4` stands for [lora] r = 4."""
    content: dict[str, Any] = {
        "model": {"base": ".", "kind": kind, "quantisation": "nf4" if kind == "causal" else "none"},
        "lora": {"r": 8, "dropout": 0.0},
        "pet": {"strength": 0.0},
        "data": {"longest": 64},
        "train": {"micro_batch": 2, "precision": "float32", "gradient_checkpointing": True},
        "export": {"gguf": ["q8_0"] if kind == "causal" else []},
    }
    for key, value in changes.items():
        section, _, name = key.partition("_")
        content[section][name] = value
    return Recipe.model_validate(content)


def of(found: Estimate, name: str) -> int:
    """Bytes of a line."""
    return next(item.bytes for item in found.items if item.name == name)
