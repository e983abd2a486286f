"""The child's side of the encoder: check the weights, convert, load, then turn renderings into vectors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from so8t.gate.backbones import Rendered
from so8t.gate.backbones.encoder_llama import MAX_TOKENS, LlamaEncoder, has_fast_bf16
from so8t.gate.backbones.encoder_tokens import WordPiece
from so8t.gate.backbones.pooling import Pooling
from so8t.gate.models.bert_files import BertFiles, Dtype
from so8t.gate.models.converted import converted
from so8t.gate.models.lora import Adapter
from so8t.gate.windows import split
from so8t.gate.worker.frames import Json, pack


class EncoderService:
    """Answers two questions: how wide a vector is, and what the vectors of a rendering are."""

    METHODS = frozenset({"describe", "pool"})

    def __init__(self, gguf: Path, vocab: Path, threads: int, dtype: str, pooling: Pooling) -> None:
        self._tokens = WordPiece(vocab)
        self._encoder = LlamaEncoder(gguf, threads)
        self._dtype = dtype
        self._pooling = pooling
        self._encoder.pool(self._tokens.framed("ready"))  # the first run is slow, and a bad file shows itself here

    def describe(self, _: Json) -> Json:
        """The dimension, and the type that the matrices are kept in."""
        return {"dimension": self._encoder.dimension, "dtype": self._dtype}

    def pool(self, payload: Json) -> Json:
        """{"header", "body"} -> {"vectors": packed (W, D), "tokens", "unknown"}. Raises windows.TooLong."""
        rendered = Rendered(payload["header"], tuple(payload["body"]))
        windows = split(rendered, self._tokens.count, MAX_TOKENS - 2)
        framed = [self._tokens.framed(window) for window in windows]
        vectors = np.stack([self._encoder.pool(ids, self._pooling) for ids in framed])
        unknown = sum(ids.count(self._tokens.unknown) for ids in framed)
        return {"vectors": pack(vectors), "tokens": sum(map(len, framed)) - 2 * len(framed), "unknown": unknown}


def open_files(**options: Any) -> EncoderService:
    """The worker's factory. Options: those of encoder.open_encoder, paths as text.

    Raises:
        ModelChanged, ConvertError, LlamaError, VocabularyError.
    """
    files = BertFiles(*(Path(options[name]) for name in ("weights", "vocab", "config")))
    dtype: Dtype = options["dtype"] if options["dtype"] != "auto" else _fastest()
    adapter = Adapter(Path(options["adapter"]), float(options["scaling"])) if options["adapter"] else None
    with converted(files, options["sha256"], dtype, adapter, Path(options["cache"])) as gguf:
        return EncoderService(gguf, files.vocab, int(options["threads"]), dtype, options["pooling"])


def _fastest() -> Dtype:
    """BF16 where the processor has it (measured a quarter faster than F16), else F16."""
    return "bf16" if has_fast_bf16() else "f16"
