"""BERT encoders: written and merged by the gate, which converts them on users' machines too."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import cast

from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from so8t.gate.models.bert_files import BertFiles, ConvertError, Dtype
from so8t.gate.models.convert_bert import convert
from so8t.gate.models.lora import Adapter, LoraError, merge
from so8t.training.export.errors import AdapterUnfit, ExportError, UnreadableFolder
from so8t.training.export.gguf_file import whole

WEIGHTS = "model.safetensors"
_PLAIN = {"use_dora": False, "bias": "none", "modules_to_save": None, "rank_pattern": {}, "alpha_pattern": {}}


def write(folder: Path, path: Path, kind: str) -> None:
    """Write the encoder in `folder`; `kind` is one of kinds.DIRECT. Raises ExportError."""
    files = BertFiles(folder / WEIGHTS, folder / "vocab.txt", folder / "config.json")
    with whole(path) as part:
        try:
            convert(files, part, cast(Dtype, kind))
        except (ConvertError, OSError) as error:
            raise ExportError(f"{folder}: {error}") from None


def merge_into(base: Path, adapter: Path, out: Path) -> None:
    """Write the encoder in `base` with the adapter added to `out`. Raises ExportError, OSError."""
    try:
        weights = load_file(base / WEIGHTS)
        floats = {name: array for name, array in weights.items() if array.dtype.kind == "f"}
        merged = merge({name.removeprefix("bert."): array for name, array in floats.items()}, _adapter(adapter))
    except LoraError as error:
        raise AdapterUnfit(str(error)) from None
    except (OSError, SafetensorError, TypeError, KeyError) as error:
        raise UnreadableFolder(f"{base}: {error}") from None
    shutil.copytree(base, out, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.safetensors", "*.bin", "*.gguf"))
    save_file(merged, out / WEIGHTS, metadata={"format": "pt"})


def _adapter(folder: Path) -> Adapter:
    try:
        config = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
        rank, alpha = float(config["r"]), float(config["lora_alpha"])
        odd = [key for key, plain in _PLAIN.items() if config.get(key, plain) not in (plain, None)]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise AdapterUnfit(f"{folder}: no LoRA adapter of peft: {error}") from None
    if odd:
        raise AdapterUnfit(f"{folder}: {', '.join(odd)} cannot be merged into an encoder; train plain LoRA")
    return Adapter(folder / "adapter_model.safetensors", alpha / (rank**0.5 if config.get("use_rslora") else rank))
