"""The weights of a folder, read one at a time: a model larger than the memory can be exported."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from safetensors import safe_open

from so8t.training.export.errors import UnreadableFolder, told_as

ONE, INDEX = "model.safetensors", "model.safetensors.index.json"


class FolderWeights(Mapping[str, torch.Tensor]):
    """Name -> tensor, read from safetensors when asked for. Raises UnreadableFolder."""

    def __init__(self, folder: Path) -> None:
        self._files = {name: folder / file for name, file in _where(folder).items()}

    def __getitem__(self, name: str) -> torch.Tensor:
        path = self._files[name]
        with told_as(UnreadableFolder, f"{path.name}: {name}"), safe_open(path, framework="pt") as file:
            tensor: torch.Tensor = file.get_tensor(name)
            return tensor

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)


def _where(folder: Path) -> dict[str, str]:
    """Name -> file."""
    with told_as(UnreadableFolder, f"{folder}: no readable {ONE} or {INDEX}"):
        if (folder / INDEX).exists():
            parts: dict[str, str] = json.loads((folder / INDEX).read_text(encoding="utf-8"))["weight_map"]
            return {str(name): str(file) for name, file in parts.items()}
        with safe_open(folder / ONE, framework="pt") as file:
            return dict.fromkeys(file.keys(), ONE)
