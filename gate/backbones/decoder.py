"""A causal language model as backbone: any GGUF file, in llama.cpp, in a worker process of its own.

A head names it `gguf:NAME@SHA256`. The file lies beside the head as backbone.gguf, or agent.toml names it.
"""

from __future__ import annotations

from pathlib import Path

from so8t.gate.backbones.pooling import Pooling
from so8t.gate.backbones.remote import RemoteBackbone, threads_or_default
from so8t.gate.models.cache import sha256_of

PREFIX = "gguf:"


def identity(name: str, gguf: Path) -> str:
    """What a head's metadata must name. Raises OSError."""
    return f"{PREFIX}{name}@{sha256_of(gguf)}"


async def open_decoder(
    id: str, gguf: Path, *, pooling: Pooling, threads: int | None = None, deadline: float = 10.0
) -> RemoteBackbone:
    """Check and load the model.

    Args:
        id: as the head names it; the file must have the SHA-256 that stands in it.
        gguf: the file.
        pooling: how a window's hidden states become one vector.
        threads: None is the number of processors, at most 4.
        deadline: seconds for one pool(); past it the worker is killed.

    Raises:
        BackboneFault: the file is missing, changed, or no such model; the worker did not start.
    """
    name, _, sha256 = id.removeprefix(PREFIX).partition("@")
    options = {"gguf": str(gguf), "sha256": sha256, "threads": threads_or_default(threads), "pooling": pooling}
    service = "so8t.gate.backbones.decoder_service:open_file"
    return await RemoteBackbone.start(service, options, id=id, name=f"model {name}", deadline=deadline)
