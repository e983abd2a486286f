"""llama.cpp on files that were just written. Runs in a child process only: a malformed file aborts the process."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

import llama_cpp
import numpy as np
from numpy.typing import NDArray

from so8t.gate.backbones.llama_native import LlamaError, batch_of, load, tokenize
from so8t.gate.worker.frames import Json

F32 = 0  # GGML_TYPE_F32
ERROR = 4  # GGML_LOG_LEVEL_ERROR
_errors: list[str] = []


class Quantiser:
    """Makes a quantised file of one of floats."""

    METHODS = frozenset({"quantize"})

    def quantize(self, payload: Json) -> Json:
        """`payload`: {"source", "target", "importance": paths, "type": llama_ftype, "finer", "threads"}.

        `finer`: pattern of tensor names -> ggml_type. Raises LlamaError.
        """
        llama_cpp.llama_log_set(_log, ctypes.c_void_p(0))
        llama_cpp.llama_backend_init()
        params = llama_cpp.llama_model_quantize_default_params()
        params.ftype = payload["type"]
        params.nthread = payload["threads"]
        with np.load(payload["importance"]) as given:
            kept = {name: np.ascontiguousarray(given[name], np.float32) for name in given.files}
        if kept:
            params.imatrix = _importance(kept)
        if payload["finer"]:
            finer = _finer(payload["finer"])
            params.tt_overrides = ctypes.cast(finer, ctypes.POINTER(llama_cpp.llama_model_tensor_override))
        source, target = str(payload["source"]).encode(), str(payload["target"]).encode()
        if llama_cpp.llama_model_quantize(source, target, ctypes.byref(params)) != 0:
            raise LlamaError(f"llama.cpp cannot quantise it: {_errors[-1] if _errors else 'no reason given'}")
        return None


class Reader:
    """Reads texts with one GGUF file."""

    METHODS = frozenset({"tokens", "states"})

    def __init__(self, gguf: str, causal: bool, threads: int) -> None:
        self._path = Path(gguf)
        self._causal = causal
        self._threads = threads
        self._model = load(self._path)
        self._vocabulary = llama_cpp.llama_model_get_vocab(self._model)

    def tokens(self, payload: Json) -> Json:
        """`payload`: {"texts"}. The token ids of each, with what is put around a text."""
        return [tokenize(self._vocabulary, text.encode("utf-8"), special=True) for text in payload["texts"]]

    def states(self, payload: Json) -> Json:
        """`payload`: {"ids", "target"}. Writes states (T, D) and logits (T, V; V = 0 for an encoder) as .npz."""
        ids: list[int] = payload["ids"]
        context = self._context(len(ids))
        batch = batch_of(ids)
        try:
            read = llama_cpp.llama_decode if self._causal else llama_cpp.llama_encode
            if read(context, batch) != 0:
                raise LlamaError(f"llama.cpp cannot read {len(ids)} tokens with {self._path.name}")
            states, logits = self._results(context, len(ids))
            np.savez(payload["target"], states=states, logits=logits)
        finally:
            llama_cpp.llama_batch_free(batch)
            llama_cpp.llama_free(context)
        return None

    def _context(self, length: int) -> Any:
        """Nothing is rounded but by the weights' own format: keys and values F32, no flash attention."""
        params = llama_cpp.llama_context_default_params()
        params.n_ctx = params.n_batch = params.n_ubatch = max(length, 32)
        params.n_threads = params.n_threads_batch = self._threads
        params.embeddings = True
        params.pooling_type = llama_cpp.LLAMA_POOLING_TYPE_NONE
        params.type_k = params.type_v = F32
        params.flash_attn_type = llama_cpp.LLAMA_FLASH_ATTN_TYPE_DISABLED
        context = llama_cpp.llama_init_from_model(self._model, params)
        if not context:
            raise LlamaError(f"llama.cpp cannot make a context for {self._path.name}")
        return context

    def _results(self, context: Any, length: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        dimension = llama_cpp.llama_model_n_embd(self._model)
        states = _array(llama_cpp.llama_get_embeddings(context), (length, dimension))
        if not self._causal:
            return states, np.empty((length, 0), np.float32)
        size = llama_cpp.llama_vocab_n_tokens(self._vocabulary)
        return states, _array(llama_cpp.llama_get_logits(context), (length, size))


def _importance(given: dict[str, NDArray[np.float32]]) -> Any:
    """What llama.cpp takes: name, numbers, how many; an entry without a name ends it."""
    floats = ctypes.POINTER(ctypes.c_float)
    entries = (llama_cpp.llama_model_imatrix_data * (len(given) + 1))()
    for entry, (name, values) in zip(entries, given.items(), strict=False):
        entry.name, entry.data, entry.size = name.encode(), values.ctypes.data_as(floats), values.size
    return entries


def _finer(given: dict[str, int]) -> Any:
    """Pattern and type; an entry without a pattern ends it."""
    entries = (llama_cpp.llama_model_tensor_override * (len(given) + 1))()
    for entry, (pattern, type_) in zip(entries, given.items(), strict=False):
        entry.pattern, entry.type = pattern.encode(), type_
    return entries


def _array(pointer: Any, shape: tuple[int, int]) -> NDArray[np.float32]:
    if not pointer:
        raise LlamaError("llama.cpp gave no output")
    return np.array(np.ctypeslib.as_array(pointer, shape=shape), dtype=np.float32)


@llama_cpp.llama_log_callback  # type: ignore[untyped-decorator]  # made by ctypes
def _log(level: int, text: bytes, data: Any) -> None:
    if level == ERROR:
        _errors.append(text.decode("utf-8", "replace").strip())
