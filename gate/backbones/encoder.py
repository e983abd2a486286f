"""The default backbone: a small BERT sentence encoder in llama.cpp, in a worker process of its own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from so8t.gate.backbones import BackboneFault
from so8t.gate.backbones.pooling import Pooling
from so8t.gate.backbones.remote import RemoteBackbone, threads_or_default
from so8t.gate.models.bert_files import Dtype
from so8t.gate.models.cache import cache_folder, sha256_of
from so8t.gate.models.catalogue import ModelError, find
from so8t.gate.models.located import path


@dataclass(frozen=True, slots=True)
class EncoderFiles:
    """One encoder's files. `sha256` is that of `weights`; None takes the file as it is and says so in the id."""

    name: str
    weights: Path  # model.safetensors
    vocab: Path  # vocab.txt
    config: Path  # config.json
    sha256: str | None = None

    @classmethod
    def known(cls, name: str) -> EncoderFiles:
        """The files of a model of the catalogue. Raises BackboneFault where they were not downloaded yet."""
        try:
            model, weights = find(name), path(name)
        except ModelError as error:
            raise BackboneFault(str(error)) from None
        if weights is None or model.kind != "encoder":
            raise BackboneFault(f"{name} is no encoder in the cache: run `so8t models pull {name}`")
        there = {file.role: weights.parent / file.name for file in model.file}
        return cls(name, there["weights"], there["vocab"], there["config"], model.weights.sha256)


def identity(files: EncoderFiles, adapter: Path | None) -> str:
    """What a head's metadata must name: the model, the SHA-256 of its weights and, where there is one, of its adapter.

    Raises:
        BackboneFault: the adapter cannot be read.
    """
    name = f"{files.name}@{files.sha256 or 'unchecked'}"
    try:
        return f"{name}+{sha256_of(adapter)}" if adapter else name
    except OSError as error:
        raise BackboneFault(f"the adapter {adapter} cannot be read: {error}") from None


async def open_encoder(
    files: EncoderFiles,
    *,
    adapter: Path | None = None,
    scaling: float = 1.0,
    pooling: Pooling = "mean",
    dtype: Dtype | Literal["auto"] = "auto",
    threads: int | None = None,
    deadline: float = 10.0,
    cache: Path | None = None,
) -> RemoteBackbone:
    """Check, convert (once) and load the encoder. It pools over all tokens of a window, [CLS] and [SEP] included.

    Args:
        files: the weights and what belongs to them.
        adapter: a LoRA adapter in peft's naming, merged into the weights before they are converted.
        scaling: of the adapter, lora_alpha / r.
        pooling: how a window's hidden states become one vector.
        dtype: how matrices are kept; "auto" is BF16 where the processor has it, else F16.
        threads: None is the number of processors, at most 4.
        deadline: seconds for one pool(); past it the worker is killed.
        cache: where converted files are kept; None is the user's cache folder.

    Raises:
        BackboneFault: a file is missing, changed, or no such encoder; the worker did not start.
    """
    options = {
        **{name: str(getattr(files, name)) for name in ("weights", "vocab", "config")},
        "sha256": files.sha256,
        "adapter": str(adapter) if adapter else None,
        "scaling": scaling,
        "pooling": pooling,
        "dtype": dtype,
        "threads": threads_or_default(threads),
        "cache": str(cache or cache_folder()),
    }
    id, name = identity(files, adapter), f"encoder {files.name}"
    service = "so8t.gate.backbones.encoder_service:open_files"
    return await RemoteBackbone.start(service, options, id=id, name=name, deadline=deadline)
