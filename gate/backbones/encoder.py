"""The default backbone: a small BERT sentence encoder in llama.cpp, in a worker process of its own."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from so8t.gate.backbones import BackboneFault, Pooled, Rendered
from so8t.gate.models.cache import cache_folder, sha256_of
from so8t.gate.models.catalogue import ModelError, find
from so8t.gate.models.convert_bert import Dtype
from so8t.gate.models.fetch import path
from so8t.gate.windows import TooLong
from so8t.gate.worker import RemoteError, Worker, WorkerError
from so8t.gate.worker.frames import BadFrame, unpack


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


class Encoder:
    """Implements so8t.gate.backbones.Backbone."""

    def __init__(self, worker: Worker, id: str, dimension: int, deadline: float) -> None:
        """Use open()."""
        self.id = id
        self.dimension = dimension
        self._worker = worker
        self._deadline = deadline

    @classmethod
    async def open(
        cls,
        files: EncoderFiles,
        *,
        adapter: Path | None = None,
        scaling: float = 1.0,
        dtype: Dtype | Literal["auto"] = "auto",
        threads: int | None = None,
        deadline: float = 10.0,
        cache: Path | None = None,
    ) -> Encoder:
        """Check, convert (once) and load the encoder.

        Args:
            files: the weights and what belongs to them.
            adapter: a LoRA adapter in peft's naming, merged into the weights before they are converted.
            scaling: of the adapter, lora_alpha / r.
            dtype: how matrices are kept; "auto" is BF16 where the processor has it, else F16.
            threads: None is the number of processors, at most 4.
            deadline: seconds for one pool(); past it the worker is killed.
            cache: where converted files are kept; None is the user's cache folder.

        Raises:
            BackboneFault: a file is missing, changed, or no such encoder; the worker did not start.
        """
        id = identity(files, adapter)
        options = {
            **{name: str(getattr(files, name)) for name in ("weights", "vocab", "config")},
            "sha256": files.sha256,
            "adapter": str(adapter) if adapter else None,
            "scaling": scaling,
            "dtype": dtype,
            "threads": threads or min(4, os.cpu_count() or 1),
            "cache": str(cache or cache_folder()),
        }
        worker = Worker("so8t.gate.backbones.encoder_service:open_files", options, name="encoder", start_timeout=120)
        try:
            seen = await worker.call("describe", None, timeout=60)
        except WorkerError as error:
            await worker.close()
            raise BackboneFault(f"the gate's encoder {files.name} cannot be used: {error}") from None
        except BaseException:
            await worker.close()
            raise
        return cls(worker, id, int(seen["dimension"]), deadline)

    async def pool(self, rendered: Rendered) -> Pooled:
        """Mean of the last hidden state over all tokens of each window, [CLS] and [SEP] included, not normalised.

        Raises:
            BackboneFault: crash, timeout; its subclass TooLong: a text of too many windows.
        """
        payload = {"header": rendered.header, "body": list(rendered.body)}
        try:
            answer = await self._worker.call("pool", payload, timeout=self._deadline)
            return Pooled(unpack(answer["vectors"]), int(answer["tokens"]), int(answer["unknown"]))
        except RemoteError as error:
            raise (TooLong if error.kind == TooLong.__name__ else BackboneFault)(error.message) from None
        except (WorkerError, BadFrame) as error:
            raise BackboneFault(str(error)) from None

    async def close(self) -> None:
        """Stop the worker. Idempotent."""
        await self._worker.close()
