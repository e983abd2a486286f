"""A recipe: one training run as a TOML file. Every key has a default; an unknown key is an error."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from so8t.gate.backbones.pooling import Pooling
from so8t.gate.names import unknown
from so8t.training.losses import Coefficients
from so8t.training.schedule import HeadRate, PetSchedule


class RecipeError(Exception):
    """The root of this module's errors."""


class RecipeInvalid(RecipeError):
    """The file cannot be read, or a value in it is wrong. The message names the key."""


class Section(BaseModel):
    """No unknown keys, no change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


Share = Annotated[float, Field(ge=0, lt=1)]
Part = Annotated[float, Field(gt=0, lt=1)]
Rate = Annotated[float, Field(gt=0, le=1)]


class Model(Section):
    """The base model, which is never modified, and how the head looks at it."""

    base: Annotated[
        str, Field(min_length=1)
    ]  # a name from `so8t models list`, a folder in the layout of Hugging Face, or a name on its hub
    kind: Literal["encoder", "causal"]
    pooling: Pooling = "mean"
    quantisation: Literal["none", "nf4"] = "none"
    stop_gradient: bool = False  # the safety losses end at the pool: the base learns nothing from them
    dropout: Share = 0.1  # of the head


class Lora(Section):
    """The adapter. r = 0: none; the base is frozen.

    With `whole`, the targets' matrices themselves are trained, and the adapter is what is nearest to their change.
    """

    whole: bool = False
    r: Annotated[int, Field(ge=0, le=256)] = 16
    alpha: Annotated[float, Field(gt=0)] = 32
    dropout: Share = 0.05
    targets: str | tuple[str, ...] = "all-linear"


class Data(Section):
    """What is learned from. Relative paths are relative to the recipe."""

    cases: Annotated[tuple[str, ...], Field(min_length=1)] = ("../cases",)  # files and folders of labelled cases
    languages: tuple[str, ...] = ()  # only cases of these (as `lang` says), and those that do not say; empty: all
    contents: tuple[str, ...] = ()  # files and folders of tool results that carry instructions or not
    generated: Annotated[int, Field(ge=0)] = 0  # cases drawn from attributes; nothing is measured on them
    public: str = ""  # folder with the files that training/sources.toml names
    balance: Literal["weights", "sampler", "none"] = "weights"
    longest: Annotated[int, Field(ge=16, le=4096)] = 160  # tokens of a training text; longer ones are cut, and counted
    held_out: tuple[str, ...] = ()  # sources (or file names) of which nothing is learned: they are the test cases
    validation: Part = 0.1
    calibration: Part = 0.15
    test: Part = 0.1  # of the cases; not looked at where held_out names sources
    sft: str = ""  # dialogues that the language model goes on learning: "generated", or a JSONL file (data/sft.py)
    sft_share: Share = 0.0  # of the rows of a batch
    skip_bad_lines: bool = False


class Train(Section):
    """The run."""

    epochs: Annotated[float, Field(gt=0)] = 4
    micro_batch: Annotated[int, Field(ge=1)] = 4
    accumulation: Annotated[int, Field(ge=1)] = 32
    body_rate: Rate = 1e-4
    head_rate: Rate = 1e-5
    weight_decay: Share = 0.01
    warm_up: Share = 0.1
    optimizer: Literal["adamw_torch", "paged_adamw_8bit"] = "adamw_torch"
    precision: Literal["bf16", "float32"] = "bf16"
    gradient_checkpointing: bool = False
    evaluate_every: Annotated[float, Field(gt=0)] = 0.5  # epochs
    patience: Annotated[int, Field(ge=0)] = (
        4  # evaluations without a better safety score or refuse recall; 0: never stop early
    )
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 8
    tensorboard: bool = False  # also write what log.jsonl holds for TensorBoard


class Calibrate(Section):
    """The operator's bound."""

    max_false_allow: Annotated[float, Field(gt=0, lt=1)] = 0.05
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = 0.9


class Guards(Section):
    """When a run that goes wrong is stopped."""

    most_of_loss: Annotated[float, Field(gt=0, le=1)] = 0.9  # the largest share of one weighted loss term
    one_class: Annotated[float, Field(gt=0, le=1)] = 0.97  # the largest share of one predicted class at an evaluation
    patience: Annotated[int, Field(ge=1)] = 20  # steps in a row before a share counts


class Export(Section):
    """What is written beside the head."""

    gguf: tuple[Literal["f32", "f16", "q8_0", "q4_k_m"], ...] = ()  # the head reads through the first of them
    check: Annotated[int, Field(ge=0)] = 500  # cases whose verdict is asked for again, through the gate's own backbone


class Recipe(Section):
    """The whole file."""

    model: Model
    lora: Lora = Lora()
    data: Data = Data()
    loss: Coefficients = Coefficients()
    pet: PetSchedule = PetSchedule()
    head_rate: HeadRate = HeadRate()
    train: Train = Train()
    calibrate: Calibrate = Calibrate()
    guards: Guards = Guards()
    export: Export = Export()

    @model_validator(mode="after")
    def _fits(self) -> Recipe:
        if self.model.kind == "encoder" and (self.data.sft or self.export.gguf):
            raise ValueError("an encoder learns no text and is no GGUF of its own: leave out data.sft and export.gguf")
        if self.model.kind == "causal" and not self.export.gguf:
            raise ValueError('the gate reads a language model from its GGUF file: set export.gguf, such as ["q8_0"]')
        if bool(self.data.sft) != (self.data.sft_share > 0):
            raise ValueError("data.sft and data.sft_share go together: set both or none")
        if self.model.quantisation == "nf4" and self.lora.r == 0:
            raise ValueError("nf4 weights cannot be trained: set lora.r to 16 or more")
        if self.lora.whole and (self.model.kind != "encoder" or self.lora.r == 0 or isinstance(self.lora.targets, str)):
            raise ValueError("lora.whole is for encoders, with lora.r of 16 or more and a list of lora.targets")
        return self


def load(file: Path, changes: dict[str, Any] | None = None) -> Recipe:
    """The recipe in `file`, with `changes` ("train.epochs": 1) put over it. Raises RecipeInvalid."""
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise RecipeInvalid(f"{file} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:  # also not UTF-8, too large a number, too deep
        raise RecipeInvalid(f"{file} is no TOML: {error}") from None
    for key, value in (changes or {}).items():
        section, _, name = key.partition(".")
        if isinstance(content.setdefault(section, {}), dict):  # else the section itself is wrong
            content[section][name] = value
    try:
        return Recipe.model_validate(content)
    except ValidationError as error:
        raise RecipeInvalid(f"{file}: {_first(error)}") from None


def _first(error: ValidationError) -> str:
    problem = error.errors(include_url=False)[0]
    where = [str(part) for part in problem["loc"]]
    if problem["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        known: Any = Recipe
        for part in where[:-1]:
            known = known.model_fields[part].annotation
        fields = getattr(known, "model_fields", None) or known.__dataclass_fields__
        return unknown("key", where[-1], fields) + (f" in [{'.'.join(where[:-1])}]" if where[:-1] else "")
    return f"{'.'.join(where) or 'the recipe'}: {problem['msg'].removeprefix('Value error, ')}"
