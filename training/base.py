"""The base model of a recipe: found by name, loaded unmodified, quantised and given its LoRA adapter where asked."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from huggingface_hub import snapshot_download
from peft import LoraConfig, get_peft_model, prepare_model_for_kbit_training
from torch import nn
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, BitsAndBytesConfig, PreTrainedModel

from so8t.gate.backbones import BackboneFault
from so8t.gate.backbones.encoder import EncoderFiles
from so8t.gate.models.cache import cache_folder, sha256_of
from so8t.gate.models.catalogue import known
from so8t.gate.models.fetch import pull
from so8t.training.mini.from_gguf import write_folder
from so8t.training.recipe import Recipe

MINI = "so8t-mini"
SCALED = (
    "final_logit_softcapping",
    "logit_scale",
    "logits_scaling",
)  # what a language model may do after its last layer


class BaseError(Exception):
    """The root of this module's errors."""


class BaseNotFound(BaseError):
    """No model is at this name or in this folder."""


class BaseUnsupported(BaseError):
    """The model is there, but cannot be trained like this; the message says why."""


@dataclass(frozen=True, slots=True)
class Base:
    """A loaded base model."""

    name: str
    folder: Path  # config.json, weights, tokenizer
    model: nn.Module  # with the adapter injected, if the recipe asks for one
    dimension: int  # D


def load(recipe: Recipe, relative_to: Path) -> Base:
    """Find, load, quantise, adapt. Raises BaseNotFound, BaseUnsupported."""
    name, folder = find(recipe.model.base, relative_to)
    try:
        config = AutoConfig.from_pretrained(folder)
        model: PreTrainedModel = _auto(recipe).from_pretrained(folder, config=config, **_options(recipe))
    except (OSError, ValueError, KeyError) as error:
        raise BaseUnsupported(f"{recipe.model.base} cannot be loaded as {recipe.model.kind}: {error}") from None
    if recipe.model.kind == "causal" and any(getattr(config, scaled, None) not in (None, 1.0) for scaled in SCALED):
        raise BaseUnsupported(f"{recipe.model.base} scales its logits, which the SFT loss here does not")
    return Base(name, folder, _adapted(model, recipe), int(config.hidden_size))


def find(name: str, relative_to: Path) -> tuple[str, Path]:
    """The model's short name and its folder. Raises BaseNotFound."""
    if name in known() and known()[name].kind == "encoder":
        try:
            return name, EncoderFiles.known(name).weights.parent
        except BackboneFault as error:
            raise BaseNotFound(str(error)) from None
    if name == MINI:
        return name, _mini_folder()
    folder = relative_to / Path(name).expanduser()
    if folder.is_dir():
        return folder.resolve().name, folder
    try:
        return name.rpartition("/")[2], Path(snapshot_download(name))
    except (OSError, ValueError) as error:  # no such name, or no connection
        ours = ", ".join(sorted(known()))
        raise BaseNotFound(
            f"there is no model {name!r}: name one of {ours}, a folder, or one of the hub ({error})"
        ) from None


def _mini_folder() -> Path:
    """so8t-mini in the layout of Hugging Face, made once from the file that ships."""
    file = pull(MINI)
    folder = cache_folder() / "training" / f"{MINI}-{sha256_of(file)[:16]}"
    if not (folder / "tokenizer.json").exists():
        with TemporaryDirectory(dir=cache_folder()) as made:
            write_folder(file, Path(made) / "folder")
            shutil.copytree(Path(made) / "folder", folder, dirs_exist_ok=True)
    return folder


def _auto(recipe: Recipe) -> Any:
    return AutoModelForCausalLM if recipe.model.kind == "causal" else AutoModel


def _options(recipe: Recipe) -> dict[str, Any]:
    if recipe.model.quantisation == "none":
        return {"dtype": torch.float32}
    compute = torch.bfloat16 if recipe.train.precision == "bf16" else torch.float32
    quantised = BitsAndBytesConfig(  # type: ignore[no-untyped-call]  # untyped in transformers
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=compute,
    )
    return {"quantization_config": quantised, "dtype": compute}


def _adapted(model: PreTrainedModel, recipe: Recipe) -> nn.Module:
    checkpointing = recipe.train.gradient_checkpointing
    model.config.use_cache = False
    if recipe.model.quantisation == "nf4":
        model = prepare_model_for_kbit_training(  # type: ignore[no-untyped-call]  # untyped in peft
            model, use_gradient_checkpointing=checkpointing, gradient_checkpointing_kwargs={"use_reentrant": False}
        )
    elif checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})  # type: ignore[no-untyped-call]  # untyped there
    if recipe.lora.r == 0:
        return model.requires_grad_(False)
    targets = recipe.lora.targets if isinstance(recipe.lora.targets, str) else list(recipe.lora.targets)
    lora = LoraConfig(
        r=recipe.lora.r, lora_alpha=int(recipe.lora.alpha), lora_dropout=recipe.lora.dropout, target_modules=targets
    )
    adapted: nn.Module = get_peft_model(model, lora)
    return adapted
