"""The child's side of a decoder: check the file, load it, turn renderings into vectors."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from so8t.gate.backbones import Rendered
from so8t.gate.backbones.decoder_llama import LlamaDecoder
from so8t.gate.backbones.llama_native import MAX_TOKENS, LlamaError
from so8t.gate.backbones.pooling import Pooling
from so8t.gate.models.unchanged import unchanged
from so8t.gate.windows import split
from so8t.gate.worker.frames import Json, pack


class DecoderService:
    """Answers two questions: how wide a vector is, and what the vectors of a rendering are."""

    METHODS = frozenset({"describe", "pool"})

    def __init__(self, gguf: Path, threads: int, pooling: Pooling) -> None:
        self._decoder = LlamaDecoder(gguf, threads)
        self._pooling = pooling
        self._decoder.pool(self._decoder.ids("ready"), pooling)  # the first run is slow; a bad file shows itself here

    def describe(self, _: Json) -> Json:
        """The dimension."""
        return {"dimension": self._decoder.dimension}

    def pool(self, payload: Json) -> Json:
        """{"header", "body"} -> {"vectors": packed (W, D), "tokens", "unknown"}. Raises windows.TooLong."""
        rendered = Rendered(payload["header"], tuple(payload["body"]))
        windows = split(rendered, lambda text: len(self._decoder.ids(text)), MAX_TOKENS)
        ids = [self._decoder.ids(window) for window in windows]
        vectors = np.stack([self._decoder.pool(row, self._pooling) for row in ids])
        return {"vectors": pack(vectors), "tokens": sum(map(len, ids)), "unknown": 0}  # bytes are never unknown


def open_file(gguf: str, sha256: str, threads: int, pooling: Pooling) -> DecoderService:
    """The worker's factory. Raises ModelChanged, LlamaError."""
    if not Path(gguf).is_file():
        raise LlamaError(f"there is no {gguf}: put the file there, or name it in agent.toml as gate.backbone")
    with unchanged(Path(gguf), sha256) as file:
        return DecoderService(file, threads, pooling)
