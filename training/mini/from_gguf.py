"""so8t-mini as it ships, back in the layout of Hugging Face: what training on it begins with.

The GGUF file holds 8-bit weights; what comes back differs from the trained weights by that rounding only.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
from tokenizers import AddedToken, Tokenizer, models
from transformers import LlamaConfig, LlamaForCausalLM

from so8t.gate.models.fetch import pull
from so8t.training.export.tensors import gguf_name
from so8t.training.mini import chat, tokenizer


def write_folder(file: Path, folder: Path) -> None:
    """Write config.json, model.safetensors and tokenizer.json to `folder`. Raises OSError, ValueError."""
    reader = gguf.GGUFReader(file)
    config = _config(reader)
    model = LlamaForCausalLM(config)
    tensors = {tensor.name: tensor for tensor in reader.tensors}
    state = {key: _weights(tensors, key, value, config) for key, value in model.state_dict().items()}
    model.load_state_dict(state)
    model.tie_weights()
    model.save_pretrained(folder)
    tokenizer.wrap(_tokenizer(reader)).save_pretrained(folder)


def _config(reader: gguf.GGUFReader) -> LlamaConfig:
    def fact(key: str) -> Any:
        return reader.fields[f"llama.{key}"].contents()

    tokens = reader.fields["tokenizer.ggml.tokens"].contents()
    return LlamaConfig(
        vocab_size=len(tokens),
        hidden_size=fact("embedding_length"),
        num_hidden_layers=fact("block_count"),
        num_attention_heads=fact("attention.head_count"),
        num_key_value_heads=fact("attention.head_count_kv"),
        intermediate_size=fact("feed_forward_length"),
        max_position_embeddings=fact("context_length"),
        rope_parameters={"rope_type": "default", "rope_theta": fact("rope.freq_base")},
        rms_norm_eps=fact("attention.layer_norm_rms_epsilon"),
        tie_word_embeddings=True,
        pad_token_id=reader.fields["tokenizer.ggml.padding_token_id"].contents(),
        bos_token_id=None,
        eos_token_id=reader.fields["tokenizer.ggml.eos_token_id"].contents(),
    )


def _weights(tensors: dict[str, Any], key: str, like: torch.Tensor, config: LlamaConfig) -> torch.Tensor:
    tied = key == "lm_head.weight" and config.tie_word_embeddings
    named = "model.embed_tokens.weight" if tied else key
    tensor = tensors[gguf_name(gguf.MODEL_ARCH.LLAMA, config.num_hidden_layers, named)]
    array = gguf.quants.dequantize(tensor.data, tensor.tensor_type).astype(np.float32).reshape(tuple(like.shape))
    heads = {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads}.get(key.split(".")[-2])
    if heads is not None:  # llama.cpp keeps rotated pairs side by side, transformers half and half
        rows, columns = array.shape
        array = array.reshape(heads, rows // heads // 2, 2, columns).swapaxes(1, 2).reshape(rows, columns)
    return torch.from_numpy(np.ascontiguousarray(array))


def _tokenizer(reader: gguf.GGUFReader) -> Tokenizer:
    pieces: list[str] = reader.fields["tokenizer.ggml.tokens"].contents()
    merges = [tuple(merge.split(" ")) for merge in reader.fields["tokenizer.ggml.merges"].contents()]
    added = {*chat.CONTROL, *tokenizer.FRAGMENTS}
    vocabulary = {piece: number for number, piece in enumerate(pieces) if piece not in tokenizer.FRAGMENTS}
    made = tokenizer.framed(models.BPE(vocab=vocabulary, merges=merges))
    in_order = [piece for piece in pieces if piece in added]
    made.add_special_tokens([AddedToken(p, special=True, normalized=False) for p in in_order if p in chat.CONTROL])
    made.add_tokens([AddedToken(p, special=False, normalized=False) for p in in_order if p not in chat.CONTROL])
    return made


def main() -> None:
    """The command line: `python -m so8t.training.mini.from_gguf FOLDER`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--gguf", type=Path, help="another file than the one that ships")
    options = parser.parse_args()
    write_folder(options.gguf or pull("so8t-mini"), options.folder)


if __name__ == "__main__":
    main()
