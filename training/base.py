"""The base model of a recipe: found by name, loaded unmodified, quantised and given its LoRA adapter where asked."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from filelock import FileLock
from huggingface_hub import snapshot_download
from peft import LoraConfig, get_peft_model, prepare_model_for_kbit_training
from torch import nn
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForCausalLM,
    BitsAndBytesConfig,
    PretrainedConfig,
    PreTrainedModel,
)

from so8t.gate.backbones import BackboneFault
from so8t.gate.backbones.encoder import EncoderFiles
from so8t.gate.models.cache import cache_folder, sha256_of
from so8t.gate.models.catalogue import ModelError, known
from so8t.gate.models.fetch import pull
from so8t.gate.names import unknown
from so8t.training.export import architecture
from so8t.training.export.errors import ExportError
from so8t.training.factored import unfreeze
from so8t.training.mini.from_gguf import write_folder
from so8t.training.recipe import Recipe

MINI = "so8t-mini"
LANGUAGE = ("ForCausalLM", "LMHeadModel")  # how transformers ends the name of a language model's class
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
        _check(config, recipe)
        if recipe.model.kind == "encoder":
            config.attention_probs_dropout_prob = 0.0  # so that attention is fused; the other dropout stays
        model, found = _auto(recipe).from_pretrained(
            folder, config=config, output_loading_info=True, **_options(recipe)
        )
    except BaseUnsupported:
        raise
    except Exception as error:  # noqa: BLE001 - transformers raises anything for a broken folder
        said = " ".join(str(error).split())
        raise BaseUnsupported(f"{recipe.model.base} cannot be loaded as {recipe.model.kind}: {said}") from None
    lost = sorted(key for key in found["missing_keys"] if not key.startswith("pooler."))  # nothing reads a pooler
    if lost:
        raise BaseUnsupported(f"{recipe.model.base} lacks {len(lost)} weights, such as {lost[0]}: download it again")
    return Base(name, folder, _adapted(model, recipe), int(config.hidden_size))


def _check(config: Any, recipe: Recipe) -> None:
    """What the configuration tells before any weights are read. Raises BaseUnsupported."""
    base, kind = recipe.model.base, recipe.model.kind
    made_for = config.architectures or []
    if made_for and (kind == "causal") != any(name.endswith(LANGUAGE) for name in made_for):
        other = "encoder" if kind == "causal" else "causal"
        raise BaseUnsupported(f'{base} is a {made_for[0]}: set model.kind = "{other}"')
    if kind == "encoder":
        return
    if any(getattr(config, scaled, None) not in (None, 1.0) for scaled in SCALED):
        raise BaseUnsupported(f"{base} scales its logits, which the SFT loss here does not")
    try:
        architecture.of(config)
    except ExportError as error:
        raise BaseUnsupported(f"{base} could not be written as GGUF after the training: {error}") from None


def config_of(recipe: Recipe, relative_to: Path, file: Path | None = None) -> PretrainedConfig:
    """The configuration alone: of `file` (config.json), else of the model that the recipe names. No weights are read.

    Raises:
        BaseNotFound: nothing is there, or it is no configuration.
    """
    name = recipe.model.base
    local = file or relative_to / Path(name).expanduser()
    try:
        if name in (MINI, *known()) and not file:
            local = find(name, relative_to)[1]
        if file and not file.is_file():
            raise BaseNotFound(f"there is no {file}: name a config.json")
        found: PretrainedConfig = AutoConfig.from_pretrained(local if local.exists() else name)
    except BaseNotFound:
        raise
    except Exception as error:  # noqa: BLE001 - no such name, no connection, no JSON, no known model type
        said = " ".join(str(error).split())
        raise BaseNotFound(
            f"{file or name}: no configuration can be had ({said}); --config names a config.json"
        ) from None
    return found


def find(name: str, relative_to: Path) -> tuple[str, Path]:
    """The model's short name and its folder. Raises BaseNotFound."""
    if name in known() and known()[name].kind == "encoder":
        try:
            return name, EncoderFiles.known(name).weights.parent
        except BackboneFault as error:
            raise BaseNotFound(str(error)) from None
    if name == MINI:
        return name, _mini_folder()
    try:
        folder = relative_to / Path(name).expanduser()
        if folder.is_dir():
            return folder.resolve().name, folder
        return name.rpartition("/")[2], Path(snapshot_download(name))
    except Exception as error:  # noqa: BLE001 - no such name, no connection, a proxy in between, an odd name
        said = " ".join(str(error).split())
        raise BaseNotFound(f"{unknown('model', name, known())}, a folder, or a name on the hub ({said})") from None


def _mini_folder() -> Path:
    """so8t-mini in the layout of Hugging Face, made once from the file that ships. Raises BaseNotFound."""
    try:
        file = pull(MINI)
        folder = cache_folder() / "training" / f"{MINI}-{sha256_of(file)[:16]}"
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.parent / ".lock"):
            if not folder.exists():
                with TemporaryDirectory(dir=folder.parent) as made:
                    write_folder(file, Path(made) / "folder")
                    (Path(made) / "folder").rename(folder)  # whole or not at all
    except (ModelError, OSError) as error:
        raise BaseNotFound(f"{MINI} cannot be made ready: {error}; SO8T_CACHE names another folder") from None
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
    checkpointing = recipe.train.gradient_checkpointing and recipe.lora.r > 0  # nothing goes back into a frozen base
    model.config.use_cache = False
    if recipe.model.quantisation == "nf4":
        model = prepare_model_for_kbit_training(  # type: ignore[no-untyped-call]  # untyped in peft
            model, use_gradient_checkpointing=checkpointing, gradient_checkpointing_kwargs={"use_reentrant": False}
        )
        for weight in model.parameters():  # peft makes embeddings and LM head float32: 2 GiB more for Llama 3
            if weight.dtype == torch.float32 and weight.ndim > 1:
                weight.data = weight.data.to(model.dtype if recipe.train.precision == "float32" else torch.bfloat16)
        for layer in model.modules():  # on a CPU, what bitsandbytes repacks at an evaluation has no backward after it
            if hasattr(layer, "support_avx512bf16_for_cpu"):
                layer.support_avx512bf16_for_cpu = False  # type: ignore[assignment]  # no module or tensor
    elif checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})  # type: ignore[no-untyped-call]  # untyped there
    if recipe.lora.r == 0:
        return model.requires_grad_(False)
    return _with_adapter(model, recipe)


def _with_adapter(model: PreTrainedModel, recipe: Recipe) -> nn.Module:
    """Raises BaseUnsupported for targets that the model does not have."""
    targets, linear = recipe.lora.targets, [n for n, m in model.named_modules() if isinstance(m, nn.Linear)]
    names = sorted({name.rpartition(".")[2] for name in linear})
    for target in () if isinstance(targets, str) else targets:  # peft passes by one of several that is nowhere
        if not any(f".{name}".endswith(f".{target}") for name in linear):
            raise BaseUnsupported(f"lora.targets: {unknown('layer', target, names)}")
    if recipe.lora.whole:
        return unfreeze(model, recipe.lora)
    lora = LoraConfig(
        r=recipe.lora.r,
        lora_alpha=recipe.lora.alpha,  # type: ignore[arg-type]  # only divided by r
        lora_dropout=recipe.lora.dropout,
        target_modules=targets if isinstance(targets, str) else list(targets),
    )
    try:
        adapted: nn.Module = get_peft_model(model, lora)
    except (ValueError, re.error) as error:
        raise BaseUnsupported(
            f'lora.targets = {targets!r} does not fit {recipe.model.base}: {error}. Set "all-linear", or a list of some'
            f" of {', '.join(names)}"
        ) from None
    return adapted
