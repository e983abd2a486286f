"""What the backbones in llama.cpp share: load a file, make a batch, read hidden states. Runs in the worker only."""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path
from typing import Any

import llama_cpp
import numpy as np
from numpy.typing import NDArray

MAX_TOKENS = 512  # of one window, with the special tokens around it; a BERT has no more positions

_ERROR = 4  # GGML_LOG_LEVEL_ERROR
_last_error = "no reason given"


class LlamaError(Exception):
    """llama.cpp refused the file or the text."""


def load(gguf: Path) -> Any:
    """The model of a GGUF file. Raises LlamaError. A malformed file may also abort the process."""
    llama_cpp.llama_log_set(_log, ctypes.c_void_p(0))
    llama_cpp.llama_backend_init()
    params = llama_cpp.llama_model_default_params()
    params.n_gpu_layers = 0
    params.load_mode = llama_cpp.LLAMA_LOAD_MODE_NONE  # no mmap: what is in memory cannot be changed through the file
    model = llama_cpp.llama_model_load_from_file(str(gguf).encode(), params)
    if not model:
        raise LlamaError(f"llama.cpp cannot load {gguf.name}: {_last_error}")
    return model


def new_context(model: Any, gguf: Path, threads: int) -> Any:
    """A context for one window at a time, every token of which gives a hidden state. Raises LlamaError."""
    params = llama_cpp.llama_context_default_params()
    params.n_ctx = params.n_batch = params.n_ubatch = MAX_TOKENS  # a window is one micro-batch
    params.n_threads = params.n_threads_batch = threads
    params.embeddings = True
    params.pooling_type = llama_cpp.LLAMA_POOLING_TYPE_NONE
    params.flash_attn_type = llama_cpp.LLAMA_FLASH_ATTN_TYPE_ENABLED
    context = llama_cpp.llama_init_from_model(model, params)
    if not context:
        raise LlamaError(f"llama.cpp cannot make a context for {gguf.name}: {_last_error}")
    return context


def batch_of(ids: list[int]) -> Any:
    """One sequence. The caller frees it. Raises LlamaError for none or too many tokens."""
    if not 0 < len(ids) <= MAX_TOKENS:
        raise LlamaError(f"{len(ids)} tokens; from 1 to {MAX_TOKENS} can be read at once")
    batch = llama_cpp.llama_batch_init(len(ids), 0, 1)
    for position, number in enumerate(ids):
        batch.token[position] = number
        batch.pos[position] = position
        batch.n_seq_id[position] = 1
        batch.seq_id[position][0] = 0
        batch.logits[position] = 1
    batch.n_tokens = len(ids)
    return batch


def tokenize(vocabulary: Any, text: bytes, *, special: bool) -> list[int]:
    """Token ids of UTF-8 text, with what the model puts around a text.

    Args:
        vocabulary: of a loaded model.
        text: UTF-8.
        special: whether text that spells a special token becomes one.

    Raises:
        LlamaError: llama.cpp makes more tokens than there are bytes.
    """
    room = len(text) + 8
    ids = (llama_cpp.llama_token * room)()
    count = llama_cpp.llama_tokenize(vocabulary, text, len(text), ids, room, True, special)
    if count < 0:
        raise LlamaError(f"llama.cpp makes {-count} tokens of {len(text)} bytes")
    return list(ids[:count])


def states_of(context: Any, length: int, dimension: int) -> NDArray[np.float32]:
    """The last hidden state of each token of the batch that just ran, (T, D): a view. Raises LlamaError."""
    states: Any = llama_cpp.llama_get_embeddings(context)
    if not states:
        raise LlamaError("llama.cpp gave no hidden state")
    return np.asarray(np.ctypeslib.as_array(states, shape=(length, dimension)), dtype=np.float32)


@llama_cpp.llama_log_callback  # type: ignore[untyped-decorator]  # made by ctypes
def _log(level: int, text: bytes, data: Any) -> None:
    """Only errors reach stderr, which the worker's parent quotes."""
    global _last_error
    if level == _ERROR:
        _last_error = text.decode("utf-8", "replace").strip()
        sys.stderr.write(_last_error + "\n")
        sys.stderr.flush()
