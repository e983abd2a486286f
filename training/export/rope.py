"""Rotary positions: base, and how they are stretched for longer contexts."""

from __future__ import annotations

from typing import Any

import gguf
import torch
from transformers import PretrainedConfig
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

from so8t.gate.names import unknown
from so8t.training.export.errors import UnsupportedModel

PLAIN, LINEAR, LLAMA3, YARN = "default", "linear", "llama3", "yarn"
_YARN = {"beta_fast": 32, "beta_slow": 1, "truncate": True}  # what llama.cpp computes with


def base(config: PretrainedConfig) -> float:
    """rope_theta."""
    return float(_parameters(config).get("rope_theta") or 10000.0)


def stretching(config: PretrainedConfig) -> str:
    """One of PLAIN, LINEAR, LLAMA3, YARN. Raises UnsupportedModel."""
    parameters = _parameters(config)
    kind = str(parameters.get("rope_type") or PLAIN)
    if kind not in (PLAIN, LINEAR, LLAMA3, YARN):
        raise UnsupportedModel(unknown("rope_type", kind, (PLAIN, LINEAR, LLAMA3, YARN)))
    if (part := parameters.get("partial_rotary_factor", 1.0)) != 1.0:
        raise UnsupportedModel(f"only a part ({part}) of each head is rotated, which llama.cpp does not do here")
    if kind == YARN:
        odd = {key for key, value in _YARN.items() if parameters.get(key) not in (None, value)}
        odd |= {key for key in ("attention_factor", "mscale", "mscale_all_dim") if parameters.get(key) is not None}
        if odd:
            raise UnsupportedModel(f"yarn with its own {', '.join(sorted(odd))}; llama.cpp computes with the defaults")
    return kind


def describe(writer: Any, config: PretrainedConfig) -> None:
    """Add the stretching to a gguf.GGUFWriter, where metadata can say it. Raises UnsupportedModel."""
    kind = stretching(config)
    if kind in (LINEAR, YARN):
        parameters = _parameters(config)
        writer.add_rope_scaling_type(gguf.RopeScalingType(kind))
        writer.add_rope_scaling_factor(float(parameters["factor"]))
        if kind == YARN:
            writer.add_rope_scaling_orig_ctx_len(int(parameters["original_max_position_embeddings"]))


def factors(config: PretrainedConfig) -> torch.Tensor | None:
    """What llama.cpp divides each frequency by, (head_dim / 2,), for Llama 3's stretching; None for the others.

    The frequencies themselves are those that transformers computes.
    """
    if stretching(config) != LLAMA3:
        return None
    stretched, _ = ROPE_INIT_FUNCTIONS[LLAMA3](config, torch.device("cpu"))  # (head_dim / 2,)
    size = 2 * len(stretched)
    plain = 1.0 / base(config) ** (torch.arange(0, size, 2, dtype=torch.float32) / size)  # (head_dim / 2,)
    return plain / stretched


def _parameters(config: PretrainedConfig) -> dict[str, Any]:
    return dict(getattr(config, "rope_parameters", None) or {})
