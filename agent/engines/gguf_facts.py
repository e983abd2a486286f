"""What a GGUF file says of its model, read without loading the weights."""

from __future__ import annotations

import ctypes
import logging

import llama_cpp


def trained_context(path: str) -> int | None:
    """The context length in tokens that the model was trained with; None where the file does not say.

    Raises:
        ValueError: llama.cpp cannot read the file. A malformed file may also abort the process.
    """
    logging.getLogger("llama-cpp-python").setLevel(logging.ERROR)  # where the library sends what llama.cpp says
    params = llama_cpp.llama_model_default_params()
    params.vocab_only = True
    model = llama_cpp.llama_model_load_from_file(path.encode(), params)
    if not model:
        raise ValueError(f"{path} is no GGUF model that llama.cpp can read")
    try:
        architecture = _text(model, "general.architecture")
        length = _text(model, f"{architecture}.context_length")
    finally:
        llama_cpp.llama_model_free(model)
    return int(length) if length.isdecimal() and int(length) > 0 else None


def _text(model: llama_cpp.llama_model_p, key: str) -> str:
    buffer = ctypes.create_string_buffer(256)
    found = llama_cpp.llama_model_meta_val_str(model, key.encode(), buffer, len(buffer))
    return buffer.value.decode("utf-8", "replace") if found >= 0 else ""
