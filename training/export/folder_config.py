"""The config of a model in the layout of Hugging Face."""

from __future__ import annotations

import json
from pathlib import Path

from transformers import AutoConfig, PretrainedConfig

from so8t.training.export import architecture
from so8t.training.export.errors import UnreadableFolder, told_as


def config_of(folder: Path) -> PretrainedConfig:
    """The config of a model. Raises UnreadableFolder, UnknownArchitecture."""
    architecture.check(_model_type(folder / "config.json"))
    with told_as(UnreadableFolder, folder / "config.json"):
        config: PretrainedConfig = AutoConfig.from_pretrained(folder)
        return config


def _model_type(path: Path) -> str:
    try:
        return str(json.loads(path.read_text(encoding="utf-8"))["model_type"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UnreadableFolder(
            f"{path} names no model_type ({error!r}): the folder is no model in the layout of Hugging Face"
        ) from None
