"""head.json: what a trained head says about itself. Everything in it is checked when the head loads."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from so8t.gate.backbones.pooling import Pooling
from so8t.gate.contract import Decision, Thresholds
from so8t.gate.strict_json import StrictJsonError, canonical, loads

FORMAT = 2
LABELS = tuple(decision.name for decision in Decision)
_SHA256 = r"^[0-9a-f]{64}$"


class HeadNotReady(Exception):
    """The head's folder cannot be used; the message says what to do."""


class Adapter(BaseModel):
    """The LoRA adapter of the backbone that this head was trained with."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: Literal["adapter.safetensors"]
    r: int = Field(ge=1)
    alpha: float = Field(gt=0, allow_inf_nan=False)
    sha256: str = Field(pattern=_SHA256)


class HeadFile(BaseModel):
    """The content of head.json."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: int
    labels: tuple[str, ...]
    backbone: str = Field(min_length=1, description="Backbone.id, exactly")
    pooling: Pooling
    rendering: str
    dimension: int = Field(ge=1, description="D")
    hidden: int = Field(ge=0, description="H; 0: a linear head")
    temperature: float = Field(gt=0, allow_inf_nan=False)
    allow_threshold: float = Field(gt=0, allow_inf_nan=False, description="above 1: never ALLOW")
    refuse_threshold: float = Field(gt=0, allow_inf_nan=False)
    training_data: str = Field(pattern=_SHA256, description="digest of the cases")
    metrics: dict[str, Any]
    adapter: Adapter | None
    sha256: str = Field(pattern=_SHA256, description="of head.safetensors")
    checksum: str = Field(pattern=_SHA256, description="of the other fields; see seal")

    @field_validator("labels")
    @classmethod
    def _order(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if value != LABELS:
            raise ValueError(f"the label order is {list(value)}, it must be {list(LABELS)}")
        return value

    @property
    def thresholds(self) -> Thresholds:
        """How this head's probabilities become a decision."""
        return Thresholds(self.allow_threshold, self.refuse_threshold)


def seal(fields: Mapping[str, Any]) -> str:
    """The text of head.json: canonical JSON of these fields and of `checksum`, the SHA-256 of their canonical JSON.

    It shows damage, not intent: who can write the file can seal it again. What a changed head is shows in its digest.
    """
    others = {name: value for name, value in fields.items() if name != "checksum"}
    return canonical({**others, "checksum": hashlib.sha256(canonical(others).encode()).hexdigest()})


def read(folder: Path, rendering: str) -> tuple[HeadFile, bytes, str]:
    """The checked head.json, the checked bytes of head.safetensors, and the SHA-256 of head.json.

    The bytes that were hashed are the bytes that are used: the file cannot be swapped in between.

    Raises:
        HeadNotReady: a file is missing or changed, or belongs to another version.
    """
    text = _bytes(folder / "head.json")
    meta = _parse(folder, text)
    if meta.format != FORMAT:
        raise HeadNotReady(f"{folder}: head format {meta.format} is not {FORMAT}: use a head of this version of so8t")
    if text != seal(loads(text.decode())).encode():
        raise HeadNotReady(
            f"{folder / 'head.json'} was changed after it was saved (checksum): restore or train the head again"
        )
    if meta.rendering != rendering:
        raise HeadNotReady(
            f"{folder}: the head was trained on rendering {meta.rendering}, this is {rendering}: train it again"
        )
    weights = _bytes(folder / "head.safetensors")
    _check_hash(folder / "head.safetensors", weights, meta.sha256)
    if meta.adapter is not None:
        _check_hash(folder / meta.adapter.file, _bytes(folder / meta.adapter.file), meta.adapter.sha256)
    return meta, weights, hashlib.sha256(text).hexdigest()


def _parse(folder: Path, text: bytes) -> HeadFile:
    try:
        return HeadFile.model_validate(loads(text.decode("utf-8")))
    except (UnicodeDecodeError, StrictJsonError) as error:
        raise HeadNotReady(f"{folder}: head.json is damaged ({error}): restore or train the head again") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise HeadNotReady(f"{folder}: head.json, {where}: {first['msg']}: restore or train the head again") from None


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise HeadNotReady(
            f"{path} cannot be read ({error.strerror}): name a folder with a trained head in agent.toml"
        ) from None


def _check_hash(path: Path, data: bytes, expected: str) -> None:
    found = hashlib.sha256(data).hexdigest()
    if found != expected:
        raise HeadNotReady(f"{path} has SHA-256 {found}, head.json says {expected}: restore or train the head again")
