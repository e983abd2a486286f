"""A BERT encoder's safetensors and vocab.txt as one GGUF file for llama.cpp.

The same input gives the same bytes. Tensor names and the form of the vocabulary are those of llama.cpp's "bert".
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import gguf
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, PositiveInt, ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load_file

from so8t.gate.models.bert_files import BertFiles, ConvertError, Dtype
from so8t.gate.models.lora import Adapter, LoraError, merge

Tensors = dict[str, NDArray[np.float32]]


def convert(files: BertFiles, target: Path, dtype: Dtype, adapter: Adapter | None = None) -> None:
    """Write `target`. Matrices get `dtype`; norms, biases, positions and token types stay F32.

    Raises:
        ConvertError: wrong architecture, missing tensors, unreadable files, an adapter that does not fit.
        OSError: `target` cannot be written.
    """
    config = _read_config(files.config)
    tensors = _read_tensors(files.weights)
    if adapter is not None:
        try:
            tensors = merge(tensors, adapter)
        except LoraError as error:
            raise ConvertError(str(error)) from None
    writer = gguf.GGUFWriter(target, "bert")
    try:
        _write_header(writer, config, dtype)
        _write_vocabulary(writer, files.vocab, config.vocab_size)
        for name, tensor in _named(tensors, config.num_hidden_layers):
            _write_tensor(writer, name, tensor, dtype)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
    finally:
        writer.close()


class _Config(BaseModel):
    """The parts of config.json that matter."""

    model_config = ConfigDict(strict=True, extra="ignore")
    model_type: Literal["bert"]
    hidden_act: Literal["gelu"]
    position_embedding_type: Literal["absolute"] = "absolute"
    vocab_size: PositiveInt
    max_position_embeddings: PositiveInt
    hidden_size: PositiveInt
    intermediate_size: PositiveInt
    num_hidden_layers: PositiveInt
    num_attention_heads: PositiveInt
    layer_norm_eps: float


def _read_config(path: Path) -> _Config:
    try:
        return _Config.model_validate_json(path.read_text(encoding="utf-8"))
    except ValidationError as error:
        what = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise ConvertError(f"{path.name}: not a BERT that can be converted: {what}") from None
    except (OSError, ValueError) as error:
        raise ConvertError(f"{path.name}: {error}") from None


def _read_tensors(path: Path) -> Tensors:
    try:
        loaded = load_file(path)
    except (OSError, SafetensorError, TypeError, KeyError) as error:
        raise ConvertError(f"{path.name}: {error}") from None
    kept = {k.removeprefix("bert."): v for k, v in loaded.items() if np.issubdtype(v.dtype, np.floating)}
    return {name: tensor.astype(np.float32) for name, tensor in kept.items()}


def _write_header(writer: gguf.GGUFWriter, config: _Config, dtype: Dtype) -> None:
    writer.add_name("so8t encoder")
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_head_count(config.num_attention_heads)
    writer.add_layer_norm_eps(config.layer_norm_eps)
    writer.add_causal_attention(False)
    writer.add_pooling_type(gguf.PoolingType.NONE)
    kinds = {
        "f32": gguf.LlamaFileType.ALL_F32,
        "f16": gguf.LlamaFileType.MOSTLY_F16,
        "bf16": gguf.LlamaFileType.MOSTLY_BF16,
        "q8_0": gguf.LlamaFileType.MOSTLY_Q8_0,
    }
    writer.add_file_type(kinds[dtype])


def _write_vocabulary(writer: gguf.GGUFWriter, path: Path, size: int) -> None:
    pieces = path.read_text(encoding="utf-8").splitlines()
    if len(pieces) != size:
        raise ConvertError(f"{path.name}: {len(pieces)} pieces, but vocab_size is {size}")
    special = {name: _index(pieces, name) for name in ("[UNK]", "[CLS]", "[SEP]", "[PAD]")}
    writer.add_tokenizer_model("bert")
    writer.add_token_type_count(2)
    writer.add_token_list([_phantom_space(piece) for piece in pieces])
    kinds = [gguf.TokenType.CONTROL if piece in special else gguf.TokenType.NORMAL for piece in pieces]
    kinds[special["[UNK]"]] = gguf.TokenType.UNKNOWN
    writer.add_token_types(kinds)
    writer.add_unk_token_id(special["[UNK]"])
    writer.add_bos_token_id(special["[CLS]"])
    writer.add_sep_token_id(special["[SEP]"])
    writer.add_pad_token_id(special["[PAD]"])


def _index(pieces: list[str], name: str) -> int:
    try:
        return pieces.index(name)
    except ValueError:
        raise ConvertError(f"the vocabulary has no {name}") from None


def _phantom_space(piece: str) -> str:
    """llama.cpp marks where a word starts; WordPiece marks where it goes on."""
    if piece.startswith("[") and piece.endswith("]"):
        return piece
    return piece[2:] if piece.startswith("##") else "\u2581" + piece


def _named(tensors: Tensors, blocks: int) -> Iterator[tuple[str, NDArray[np.float32]]]:
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.BERT, blocks)
    for source in sorted(tensors):
        if source.startswith("pooler."):  # of next-sentence prediction: nothing reads it
            continue
        name = names.get_name(source, try_suffixes=(".weight", ".bias"))
        if name is None:
            raise ConvertError(f"the tensor {source} has no place in a BERT encoder")
        yield name, tensors[source]


def _write_tensor(writer: gguf.GGUFWriter, name: str, tensor: NDArray[np.float32], dtype: Dtype) -> None:
    kept = tensor.ndim == 1 or name.startswith(("position_embd", "token_types"))
    if kept or dtype == "f32":
        writer.add_tensor(name, np.ascontiguousarray(tensor))
    elif dtype == "f16":
        writer.add_tensor(name, tensor.astype(np.float16))
    else:
        kind = gguf.GGMLQuantizationType[dtype.upper()]
        writer.add_tensor(name, gguf.quants.quantize(tensor, kind), raw_dtype=kind)
