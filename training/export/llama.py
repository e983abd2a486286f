"""Writes a Llama of transformers with so8t-mini's tokenizer as a GGUF file that llama.cpp reads.

Tensor names and metadata keys follow the GGUF specification (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path

import gguf
import numpy as np
import numpy.typing as npt
import torch
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from so8t.training.mini import chat, tokenizer

# llama.cpp's pre-tokenizer of this name never splits a run of the letters a-z; the merges are all inside such runs.
PRE_TOKENIZER = "deepseek-coder"
KINDS = {
    "f32": (gguf.GGMLQuantizationType.F32, gguf.LlamaFileType.ALL_F32),
    "f16": (gguf.GGMLQuantizationType.F16, gguf.LlamaFileType.MOSTLY_F16),
    "q8_0": (gguf.GGMLQuantizationType.Q8_0, gguf.LlamaFileType.MOSTLY_Q8_0),
}
_BLOCK = {
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
_OUTER = {
    "model.embed_tokens.weight": "token_embd.weight",
    "model.norm.weight": "output_norm.weight",
    "lm_head.weight": "output.weight",
}


class ExportError(ValueError):
    """The model cannot be written as a GGUF file; the message says which part of it."""


def export(
    config: LlamaConfig,
    state: Mapping[str, torch.Tensor],
    words: PreTrainedTokenizerFast,
    path: Path,
    kind: str = "q8_0",
    name: str = "so8t-mini",
    origin: str = "{}",
) -> None:
    """Write the model to `path`; `kind` is f32, f16 or q8_0 (matrices; vectors stay f32).

    `origin` is kept as the metadata key `so8t.training`: JSON that tells how the model came about.

    Raises ExportError for an unknown kind or for a tensor that Llama does not have.
    """
    if kind not in KINDS:
        raise ExportError(f"unknown kind '{kind}'; known: {', '.join(KINDS)}")
    tensors = {
        key: _permuted(key, value, config)
        for key, value in state.items()
        if not (config.tie_word_embeddings and key == "lm_head.weight")
    }
    writer = gguf.GGUFWriter(path, "llama")
    _describe(writer, config, kind, name)
    writer.add_string("so8t.training", origin)
    _add_tokenizer(writer, words)
    for key, value in tensors.items():
        _add_tensor(writer, tensor_name(key), value, KINDS[kind][0])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def tensor_name(key: str) -> str:
    """The GGUF name of the tensor that transformers calls `key`."""
    if key in _OUTER:
        return _OUTER[key]
    start, _, rest = key.removeprefix("model.layers.").partition(".")
    part = rest.removesuffix(".weight")
    if not key.startswith("model.layers.") or part not in _BLOCK:
        raise ExportError(f"'{key}' is no tensor of a Llama")
    return f"blk.{start}.{_BLOCK[part]}.weight"


def _permuted(key: str, value: torch.Tensor, config: LlamaConfig) -> npt.NDArray[np.float32]:
    """The tensor as numpy; the rows of q and k in llama.cpp's order (pairs side by side, not half and half)."""
    array: npt.NDArray[np.float32] = value.detach().float().numpy()
    heads = {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads}.get(key.split(".")[-2])
    if heads is None:
        return array
    rows, columns = array.shape  # (heads * head_dim, hidden)
    return array.reshape(heads, 2, rows // heads // 2, columns).swapaxes(1, 2).reshape(rows, columns)


def _describe(writer: gguf.GGUFWriter, config: LlamaConfig, kind: str, name: str) -> None:
    writer.add_name(name)
    writer.add_file_type(KINDS[kind][1])
    writer.add_vocab_size(config.vocab_size)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads or config.num_attention_heads)
    writer.add_rope_dimension_count(config.hidden_size // config.num_attention_heads)
    writer.add_rope_freq_base(float((config.rope_parameters or {}).get("rope_theta") or 10000.0))
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)


def _add_tokenizer(writer: gguf.GGUFWriter, words: PreTrainedTokenizerFast) -> None:
    pieces = sorted(words.get_vocab().items(), key=lambda item: item[1])
    if [number for _, number in pieces] != list(range(len(pieces))):
        raise ExportError("the token ids of the vocabulary have gaps")
    kinds = dict.fromkeys(chat.CONTROL, gguf.TokenType.CONTROL)
    kinds |= dict.fromkeys(tokenizer.FRAGMENTS, gguf.TokenType.USER_DEFINED)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(PRE_TOKENIZER)
    writer.add_token_list([piece for piece, _ in pieces])
    writer.add_token_types([kinds.get(piece, gguf.TokenType.NORMAL) for piece, _ in pieces])
    writer.add_token_merges(tokenizer.merges(words))
    numbers = dict(pieces)
    writer.add_eos_token_id(numbers[chat.END])
    writer.add_eot_token_id(numbers[chat.END])
    writer.add_pad_token_id(numbers[chat.PAD])
    writer.add_add_bos_token(False)
    writer.add_add_eos_token(False)
    writer.add_add_space_prefix(False)
    writer.add_chat_template(chat.TEMPLATE)


def _add_tensor(
    writer: gguf.GGUFWriter, name: str, value: npt.NDArray[np.float32], kind: gguf.GGMLQuantizationType
) -> None:
    if value.ndim == 1 or kind == gguf.GGMLQuantizationType.F32:
        writer.add_tensor(name, np.ascontiguousarray(value))
    else:
        writer.add_tensor(name, gguf.quants.quantize(np.ascontiguousarray(value), kind), raw_dtype=kind)


def export_folder(folder: Path, path: Path, kind: str = "q8_0") -> None:
    """Write the model that `pretrain` left in `folder`."""
    model = LlamaForCausalLM.from_pretrained(folder)
    run = folder / "run.json"
    origin = json.dumps(json.loads(run.read_text(encoding="utf-8"))) if run.exists() else "{}"
    export(model.config, model.state_dict(), tokenizer.load(folder), path, kind, origin=origin)


def main() -> None:
    """The command line: `python -m so8t.training.export.llama DIR FILE.gguf [--kind q8_0]`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("path", type=Path)
    parser.add_argument("--kind", choices=KINDS, default="q8_0")
    options = parser.parse_args()
    export_folder(options.folder, options.path, options.kind)


if __name__ == "__main__":
    main()
