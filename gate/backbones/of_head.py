"""The backbone that a head names in its metadata."""

from __future__ import annotations

from pathlib import Path

from so8t.gate.backbones import Backbone
from so8t.gate.backbones.decoder import PREFIX, open_decoder
from so8t.gate.backbones.encoder import EncoderFiles, open_encoder
from so8t.gate.head import Head

BESIDE = "backbone.gguf"  # in the folder of a head on a language model


async def open_backbone(head: Head, folder: Path, gguf: Path, threads: int | None, deadline: float) -> Backbone:
    """Check and load it.

    Args:
        head: as loaded from `folder`, where its adapter lies.
        gguf: the file of a language model; not looked at for an encoder.
        threads: None is the number of processors, at most 4.
        deadline: seconds for one pool().

    Raises:
        BackboneFault: a file is missing or changed, or the worker did not start.
    """
    meta, adapter = head.meta, head.meta.adapter
    if meta.backbone.startswith(PREFIX):
        return await open_decoder(meta.backbone, gguf, pooling=meta.pooling, threads=threads, deadline=deadline)
    return await open_encoder(
        EncoderFiles.known(meta.backbone.partition("@")[0]),
        adapter=folder / adapter.file if adapter else None,
        scaling=adapter.alpha / adapter.r if adapter else 1.0,
        pooling=meta.pooling,
        threads=threads,
        deadline=deadline,
    )
