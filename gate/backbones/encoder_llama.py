"""One encoder in llama.cpp: token ids in, the mean of the last hidden state out. Runs in the worker only."""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path
from typing import Any

import llama_cpp
import numpy as np
from numpy.typing import NDArray

MAX_TOKENS = 512  # with [CLS] and [SEP]; a BERT has no more positions


_ERROR = 4  # GGML_LOG_LEVEL_ERROR
_last_error = "no reason given"


class LlamaError(Exception):
    """llama.cpp refused the file or the text."""


class LlamaEncoder:
    """A BERT in GGUF form. Not re-entrant."""

    def __init__(self, gguf: Path, threads: int) -> None:
        """Raises LlamaError. A malformed file may also abort the process."""
        _quiet()
        llama_cpp.llama_backend_init()
        self._model = _load(gguf)
        self.dimension: int = llama_cpp.llama_model_n_embd(self._model)
        self._context = llama_cpp.llama_init_from_model(self._model, _context_params(threads))
        if not self._context:
            raise LlamaError(f"llama.cpp cannot make a context for {gguf.name}: {_last_error}")

    def mean(self, ids: list[int]) -> NDArray[np.float32]:
        """Mean of the last hidden state over all of `ids`, shape (D,), not normalised. Raises LlamaError."""
        if not 0 < len(ids) <= MAX_TOKENS:
            raise LlamaError(f"{len(ids)} tokens; from 1 to {MAX_TOKENS} can be read at once")
        batch = _batch(ids)
        try:
            status = llama_cpp.llama_encode(self._context, batch)
        finally:
            llama_cpp.llama_batch_free(batch)
        if status != 0:
            raise LlamaError(f"llama_encode returned {status}")
        states: Any = llama_cpp.llama_get_embeddings(self._context)
        if not states:
            raise LlamaError("llama.cpp gave no hidden state")
        hidden = np.ctypeslib.as_array(states, shape=(len(ids), self.dimension))
        return np.asarray(hidden.mean(axis=0, dtype=np.float32), dtype=np.float32)


def has_fast_bf16() -> bool:
    """Whether the processor multiplies BF16 itself, as llama.cpp reports it."""
    return b"AVX512_BF16 = 1" in llama_cpp.llama_print_system_info()


def _load(gguf: Path) -> Any:
    params = llama_cpp.llama_model_default_params()
    params.n_gpu_layers = 0
    params.load_mode = llama_cpp.LLAMA_LOAD_MODE_NONE  # no mmap: what is in memory cannot be changed through the file
    model = llama_cpp.llama_model_load_from_file(str(gguf).encode(), params)
    if not model:
        raise LlamaError(f"llama.cpp cannot load {gguf.name}: {_last_error}")
    return model


def _context_params(threads: int) -> Any:
    params = llama_cpp.llama_context_default_params()
    params.n_ctx = params.n_batch = params.n_ubatch = MAX_TOKENS  # non-causal: a text is one micro-batch
    params.n_threads = params.n_threads_batch = threads
    params.embeddings = True
    params.pooling_type = llama_cpp.LLAMA_POOLING_TYPE_NONE
    params.flash_attn_type = llama_cpp.LLAMA_FLASH_ATTN_TYPE_ENABLED
    return params


def _batch(ids: list[int]) -> Any:
    batch = llama_cpp.llama_batch_init(len(ids), 0, 1)
    for position, number in enumerate(ids):
        batch.token[position] = number
        batch.pos[position] = position
        batch.n_seq_id[position] = 1
        batch.seq_id[position][0] = 0
        batch.logits[position] = 1
    batch.n_tokens = len(ids)
    return batch


@llama_cpp.llama_log_callback  # type: ignore[untyped-decorator]  # made by ctypes
def _log(level: int, text: bytes, data: Any) -> None:
    """Only errors reach stderr, which the worker's parent quotes."""
    global _last_error
    if level == _ERROR:
        _last_error = text.decode("utf-8", "replace").strip()
        sys.stderr.write(_last_error + "\n")
        sys.stderr.flush()


def _quiet() -> None:
    llama_cpp.llama_log_set(_log, ctypes.c_void_p(0))
