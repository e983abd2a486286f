"""Where a known model's files are on this machine."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from so8t.gate.models.cache import cache_folder
from so8t.gate.models.catalogue import Model, find


def path(name: str) -> Path | None:
    """Where the weights are, if all files of the model are there (hashes: fetch.verify). Raises UnknownModel."""
    model = find(name)
    folder = folder_of(model)
    there = all((folder / file.name).is_file() for file in model.file)
    return folder / model.weights.name if there else None


def folder_of(model: Model) -> Path:
    """The cache's folder, or that of the package which the model ships in."""
    spec = find_spec(model.packaged.package) if model.packaged else None
    if model.packaged is None or spec is None or not spec.submodule_search_locations:
        return cache_folder() / "models" / model.name
    return Path(next(iter(spec.submodule_search_locations))) / model.packaged.folder
