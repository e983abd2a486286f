"""One encoder in llama.cpp: token ids in, the pooled last hidden state out. Runs in the worker only."""

from __future__ import annotations

from pathlib import Path

import llama_cpp
import numpy as np
from numpy.typing import NDArray

from so8t.gate.backbones.llama_native import MAX_TOKENS, LlamaError, batch_of, load, new_context, states_of
from so8t.gate.backbones.pooling import Pooling, pooled

__all__ = ["MAX_TOKENS", "LlamaEncoder", "LlamaError", "has_fast_bf16"]


class LlamaEncoder:
    """A BERT in GGUF form. Not re-entrant."""

    def __init__(self, gguf: Path, threads: int) -> None:
        """Raises LlamaError. A malformed file may also abort the process."""
        self._model = load(gguf)
        self.dimension: int = llama_cpp.llama_model_n_embd(self._model)
        self._context = new_context(self._model, gguf, threads)

    def pool(self, ids: list[int], pooling: Pooling = "mean") -> NDArray[np.float32]:
        """The pooled last hidden state of `ids`, shape (D,), not normalised. Raises LlamaError."""
        batch = batch_of(ids)
        try:
            status = llama_cpp.llama_encode(self._context, batch)
        finally:
            llama_cpp.llama_batch_free(batch)
        if status != 0:
            raise LlamaError(f"llama_encode returned {status}")
        return pooled(states_of(self._context, len(ids), self.dimension), pooling)


def has_fast_bf16() -> bool:
    """Whether the processor multiplies BF16 itself, as llama.cpp reports it."""
    return b"AVX512_BF16 = 1" in llama_cpp.llama_print_system_info()
