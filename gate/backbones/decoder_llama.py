"""One causal language model in llama.cpp: text in, the pooled last hidden state out. Runs in the worker only."""

from __future__ import annotations

from pathlib import Path

import llama_cpp
import numpy as np
from numpy.typing import NDArray

from so8t.gate.backbones.llama_native import LlamaError, batch_of, load, new_context, states_of, tokenize
from so8t.gate.backbones.pooling import Pooling, pooled


class LlamaDecoder:
    """A GGUF language model with its own tokenizer. Not re-entrant."""

    def __init__(self, gguf: Path, threads: int) -> None:
        """Raises LlamaError. A malformed file may also abort the process."""
        self._model = load(gguf)
        if llama_cpp.llama_model_has_encoder(self._model) or not llama_cpp.llama_model_has_decoder(self._model):
            raise LlamaError(f"{gguf.name} is no causal language model")
        self._vocab = llama_cpp.llama_model_get_vocab(self._model)
        self.dimension: int = llama_cpp.llama_model_n_embd(self._model)
        self._context = new_context(self._model, gguf, threads)

    def ids(self, text: str) -> list[int]:
        """Token ids, with the special tokens that the model puts around a text; text never becomes a special token."""
        return tokenize(self._vocab, text.encode("utf-8", "replace"), special=False)

    def pool(self, ids: list[int], pooling: Pooling) -> NDArray[np.float32]:
        """The pooled last hidden state of `ids` (after the final norm), (D,), not normalised. Raises LlamaError."""
        batch = batch_of(ids)
        try:
            llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(self._context), True)
            status = llama_cpp.llama_decode(self._context, batch)
        finally:
            llama_cpp.llama_batch_free(batch)
        if status != 0:
            raise LlamaError(f"llama_decode returned {status}")
        return pooled(states_of(self._context, len(ids), self.dimension), pooling)
