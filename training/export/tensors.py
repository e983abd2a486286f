"""From the tensors of transformers to those of GGUF: names, order of rows, number format."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

import gguf
import numpy as np
import torch
from numpy.typing import NDArray
from transformers import AutoModelForCausalLM, PretrainedConfig

from so8t.training.export import rope
from so8t.training.export.architecture import Architecture
from so8t.training.export.errors import UnreadableFolder, UnsupportedModel, WrongWeights, told_as

Type = gguf.GGMLQuantizationType
Shape = tuple[int, ...]
HEAD, EMBEDDING = "lm_head.weight", "model.embed_tokens.weight"
_COMPUTED = ".rotary_emb.inv_freq"  # older checkpoints carry the frequencies, which llama.cpp computes


@dataclass(frozen=True, slots=True)
class Plan:
    """One tensor of the file to be."""

    name: str  # in GGUF
    source: str  # in transformers, or "" for the rotary factors
    shape: Shape
    type: Type


def plan(
    architecture: Architecture, config: PretrainedConfig, names: Mapping[str, torch.Tensor], kind: Type
) -> list[Plan]:
    """Every tensor of the file, in the order of the model. Matrices get `kind`; vectors stay F32.

    Raises WrongWeights for a name that is unknown or missing, UnsupportedModel.
    """
    blocks = config.num_hidden_layers
    given = [name for name in names if not name.endswith(_COMPUTED) and not (_tied(config) and name == HEAD)]
    named = {name: gguf_name(architecture.gguf, blocks, name) for name in given}
    expected = shapes(config)
    if missing := sorted(set(expected) - set(given)):
        raise WrongWeights(f"{len(missing)} missing: {_few(missing)}; the folder is not a complete {config.model_type}")
    if surplus := sorted(set(given) - set(expected)):
        raise WrongWeights(f"{_few(surplus)}: no tensor of this {config.model_type}, judging by config.json")
    plans = [Plan(named[name], name, shape, _type(shape, kind)) for name, shape in expected.items()]
    return [*_factors(architecture, config), *plans]


def gguf_name(architecture: gguf.MODEL_ARCH, blocks: int, name: str) -> str:
    """The GGUF name of the tensor that transformers calls `name`. Raises WrongWeights."""
    found = _names(architecture, blocks).get_name(name, try_suffixes=(".weight", ".bias"))
    if found is None:
        raise WrongWeights(f"'{name}' is no tensor of a {gguf.MODEL_ARCH_NAMES[architecture]} with {blocks} blocks")
    return found


def shapes(config: PretrainedConfig) -> dict[str, Shape]:
    """Name -> shape of each tensor that a model of this config has, without building it. Raises UnreadableFolder."""
    with told_as(UnreadableFolder, f"config.json of a {config.model_type}"), torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)  # type: ignore[no-untyped-call]  # untyped in transformers
    return {
        name: tuple(tensor.shape) for name, tensor in model.state_dict().items() if not (_tied(config) and name == HEAD)
    }


def check_rows(config: PretrainedConfig, weights: Mapping[str, torch.Tensor]) -> None:
    """Raises WrongWeights if the embedding has not config.vocab_size rows."""
    if EMBEDDING in weights and (rows := len(weights[EMBEDDING])) != config.vocab_size:
        raise WrongWeights(f"{EMBEDDING} has {rows} rows, but vocab_size is {config.vocab_size}")


def data(
    plan: Plan, architecture: Architecture, config: PretrainedConfig, weights: Mapping[str, torch.Tensor]
) -> NDArray[np.generic]:
    """The bytes of one tensor as llama.cpp keeps them. Raises WrongWeights."""
    tensor = weights[plan.source] if plan.source else rope.factors(config)
    assert tensor is not None
    if tuple(tensor.shape) != plan.shape:
        raise WrongWeights(f"{plan.source} has the shape {tuple(tensor.shape)}, expected {plan.shape}")
    if not tensor.is_floating_point():
        raise WrongWeights(f"{plan.source} holds {tensor.dtype}: quantised or packed weights cannot be exported")
    array: NDArray[np.float32] = tensor.detach().to("cpu", torch.float32).numpy()
    if not np.isfinite(array).all():
        raise WrongWeights(f"{plan.source} is not finite")
    return encode(plan, _permuted(plan.source, array, config) if architecture.interleaved else array)


def encode(plan: Plan, array: NDArray[np.float32]) -> NDArray[np.generic]:
    """The array in the plan's number format. Raises WrongWeights where F16 overflows."""
    array = np.ascontiguousarray(array)
    if plan.type == Type.F16 and np.abs(array).max(initial=0) > np.finfo(np.float16).max:
        raise WrongWeights(f"{plan.source} has values beyond {np.finfo(np.float16).max:g}: take bf16 or f32, not f16")
    encoded: NDArray[np.generic] = gguf.quants.quantize(array, plan.type)
    return encoded


def _permuted(name: str, array: NDArray[np.float32], config: PretrainedConfig) -> NDArray[np.float32]:
    """The rows of q and k in llama.cpp's order: pairs that are rotated together side by side, not half and half."""
    groups = config.num_key_value_heads or config.num_attention_heads
    heads = {"q_proj": config.num_attention_heads, "k_proj": groups}.get(name.split(".")[-2] if "." in name else "")
    if heads is None:
        return array
    split = array.reshape(heads, 2, array.shape[0] // heads // 2, *array.shape[1:])  # (heads, 2, D/2, hidden)
    return split.swapaxes(1, 2).reshape(array.shape)  # (heads * D, hidden)


def _factors(architecture: Architecture, config: PretrainedConfig) -> Iterator[Plan]:
    if (factors := rope.factors(config)) is None:
        return
    if not architecture.rope_factors:
        raise UnsupportedModel(f"llama.cpp cannot stretch positions as Llama 3 does for a {config.model_type}")
    yield Plan("rope_freqs.weight", "", tuple(factors.shape), Type.F32)


def _type(shape: Shape, kind: Type) -> Type:
    """A row that the blocks of `kind` do not divide stays F16, as in llama.cpp."""
    if len(shape) == 1:
        return Type.F32
    block, _ = gguf.GGML_QUANT_SIZES[kind]
    return kind if shape[-1] % block == 0 else Type.F16


def _tied(config: PretrainedConfig) -> bool:
    return bool(config.tie_word_embeddings)


def _few(names: list[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")


@lru_cache(maxsize=8)
def _names(architecture: gguf.MODEL_ARCH, blocks: int) -> gguf.TensorNameMap:
    return gguf.get_tensor_name_map(architecture, blocks)
