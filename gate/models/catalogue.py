"""The models that are known by name: models.toml as values."""

from __future__ import annotations

import tomllib
from functools import lru_cache
from importlib.resources import files
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from so8t.gate.names import unknown


class ModelError(Exception):
    """The root of the errors about models."""


class UnknownModel(ModelError):
    """No model has this name; the message lists those there are, nearest first."""


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ModelFile(_Entry):
    """One file of a model. Only a packaged file may have no hash."""

    role: Literal["weights", "vocab", "config"]
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    size: int | None = None  # bytes
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None


class PyPI(_Entry):
    """A wheel of a package index. `member` is the path in the wheel, with {file} for the file's name."""

    kind: Literal["pypi"]
    package: str
    version: str
    wheel: str  # file name; * matches anything
    member: str


class Hub(_Entry):
    """A Hugging Face repository."""

    kind: Literal["hub"]
    repo: str
    revision: str


class Packaged(_Entry):
    """A folder of an installed package."""

    kind: Literal["packaged"]
    package: str
    folder: str


Source = Annotated[PyPI | Hub | Packaged, Field(discriminator="kind")]


class Model(_Entry):
    """One model and where to get it."""

    name: str
    kind: Literal["encoder", "language"]
    licence: str  # SPDX
    convert: Literal["bert", "none"]
    file: tuple[ModelFile, ...]
    source: tuple[Source, ...]

    @property
    def weights(self) -> ModelFile:
        """The main file."""
        return next(file for file in self.file if file.role == "weights")

    @property
    def packaged(self) -> Packaged | None:
        """The source that needs no download, if the model has one."""
        return next((source for source in self.source if isinstance(source, Packaged)), None)


class _Catalogue(_Entry):
    model: tuple[Model, ...]


@lru_cache(maxsize=1)
def known() -> dict[str, Model]:
    """All models by name."""
    text = files(__package__).joinpath("models.toml").read_text(encoding="utf-8")
    return {model.name: model for model in _Catalogue.model_validate(tomllib.loads(text)).model}


def find(name: str) -> Model:
    """The model of this name. Raises UnknownModel."""
    models = known()
    if name in models:
        return models[name]
    raise UnknownModel(unknown("model", name, models))
