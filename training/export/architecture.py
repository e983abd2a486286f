"""The architectures that can be written, and what llama.cpp must be told about a model of each.

Metadata keys follow the GGUF specification (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import gguf
from transformers import PretrainedConfig

from so8t.gate.names import unknown
from so8t.training.export import rope
from so8t.training.export.errors import UnknownArchitecture, UnsupportedModel


@dataclass(frozen=True, slots=True)
class Architecture:
    """How one `model_type` of transformers is written."""

    model_type: str
    gguf: gguf.MODEL_ARCH
    interleaved: bool  # llama.cpp rotates neighbours (2i, 2i + 1), transformers the halves (i, i + D/2)
    rope_factors: bool  # llama.cpp takes a factor for each frequency
    free_head: bool  # head_dim need not be hidden_size / heads
    free_biases: bool  # attention_bias and mlp_bias of the config may add biases beyond the architecture's own


KNOWN = {
    known.model_type: known
    for known in (
        Architecture("llama", gguf.MODEL_ARCH.LLAMA, True, True, True, True),
        Architecture("mistral", gguf.MODEL_ARCH.LLAMA, True, True, True, True),
        Architecture("qwen2", gguf.MODEL_ARCH.QWEN2, False, False, False, False),
        Architecture("qwen3", gguf.MODEL_ARCH.QWEN3, False, False, True, False),
    )
}
ENCODER = "bert"  # written by so8t.gate.models


def check(model_type: str) -> None:
    """Raises UnknownArchitecture, which lists the known ones."""
    if model_type not in (*KNOWN, ENCODER):
        raise UnknownArchitecture(unknown("architecture", model_type, [*KNOWN, ENCODER]))


def of(config: PretrainedConfig) -> Architecture:
    """The architecture of a causal model. Raises UnknownArchitecture, UnsupportedModel."""
    check(config.model_type)
    architecture = KNOWN[config.model_type]
    for problem in _problems(architecture, config):
        raise UnsupportedModel(f"{config.model_type}: {problem}")
    return architecture


def _problems(architecture: Architecture, config: PretrainedConfig) -> Iterator[str]:
    if getattr(config, "quantization_config", None) is not None:
        yield (
            "the folder holds quantised weights; take the full-precision model (and merge the adapter into it):"
            " quantising twice adds both rounding errors"
        )
    if config.num_hidden_layers < 1 or config.num_attention_heads < 1 or config.hidden_size < 1:
        yield "no layers, heads or hidden size"
        return
    if config.hidden_act != "silu":
        yield f"hidden_act is {config.hidden_act!r}; llama.cpp has only 'silu' here"
    if not architecture.free_head and head_dim(config) != config.hidden_size // config.num_attention_heads:
        yield f"head_dim {head_dim(config)} is not hidden_size / heads, which llama.cpp takes for granted here"
    if not architecture.free_biases and (
        getattr(config, "attention_bias", False) or getattr(config, "mlp_bias", False)
    ):
        yield "llama.cpp has no place for the biases of attention_bias / mlp_bias here"


def head_dim(config: PretrainedConfig) -> int:
    """The size of one attention head."""
    return int(getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads)


def window(config: PretrainedConfig) -> int | None:
    """The sliding window in tokens, where the model uses one."""
    size: int | None = getattr(config, "sliding_window", None)
    layers = getattr(config, "layer_types", None)
    if size is None or (layers is not None and "sliding_attention" not in layers):
        return None
    return size if size < config.max_position_embeddings else None


def describe(writer: Any, config: PretrainedConfig, kind: gguf.LlamaFileType, name: str) -> None:
    """Add what the model is to a gguf.GGUFWriter. Raises UnsupportedModel."""
    writer.add_name(name)
    writer.add_file_type(kind)
    writer.add_vocab_size(config.vocab_size)
    writer.add_context_length(window(config) or config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads or config.num_attention_heads)
    writer.add_rope_dimension_count(head_dim(config))
    writer.add_rope_freq_base(rope.base(config))
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    if head_dim(config) != config.hidden_size // config.num_attention_heads:
        writer.add_key_length(head_dim(config))
        writer.add_value_length(head_dim(config))
    rope.describe(writer, config)


def notes(config: PretrainedConfig) -> Iterator[str]:
    """What the user must know about the written model."""
    if size := window(config):
        yield (
            f"llama.cpp has no sliding window for {config.model_type}: the file's context is the window, {size} tokens"
            f" (not {config.max_position_embeddings}), within which both see the same"
        )
