"""Merges a LoRA adapter into the full-precision weights: W + scaling * B A (Hu et al., arXiv:2106.09685).

An adapter that was trained on an NF4 base (QLoRA, Dettmers et al., arXiv:2305.14314) is merged into the full-precision
weights too, never into the 4-bit ones. Packing the sum into NF4 again rounds away what is smaller than a step between
two NF4 values, which is most of what LoRA adds; and unpacked NF4 weights would keep NF4's rounding error in every
later file, with that of Q4_K_M on top. The price: the adapter learned beside weights that differ from these by NF4's
rounding error. What that does to a model is to be measured (`compare`, and the head's verdicts after the export).
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import torch
from peft import PeftConfig, PeftModel, get_peft_model_state_dict
from peft.tuners.tuners_utils import BaseTunerLayer
from safetensors import safe_open
from transformers import AutoModelForCausalLM, PreTrainedModel

from so8t.training.export import architecture, bert, tokenizer
from so8t.training.export.errors import AdapterUnfit, ExportError, UnreadableFolder, told_as
from so8t.training.export.folder_config import config_of

ADAPTER = "adapter_model.safetensors"


def merge_adapter(base_folder: Path, adapter_folder: Path, out: Path) -> None:
    """Write the base model with the adapter added to `out`, in the layout of Hugging Face, tokenizer included.

    Each sum is made in float32 and kept in the base's own number format.

    Args:
        base_folder: the full-precision base model.
        adapter_folder: what peft's `save_pretrained` wrote.
        out: the folder to be.

    Raises UnreadableFolder, UnknownArchitecture, UnsupportedModel (a quantised base), AdapterUnfit, OSError.
    """
    if out.resolve() in (base_folder.resolve(), adapter_folder.resolve()):
        raise ExportError(f"{out} would be overwritten by what is made of it: name another folder for the merged model")
    config = config_of(base_folder)
    if config.model_type == architecture.ENCODER:
        bert.merge_into(base_folder, adapter_folder, out)
        return
    architecture.of(config)
    with told_as(UnreadableFolder, base_folder):
        base = AutoModelForCausalLM.from_pretrained(base_folder, dtype="auto")
    words = tokenizer.load(base_folder)
    merged = _merged(base, adapter_folder)
    merged.save_pretrained(out)
    words.save_pretrained(out)


def _merged(base: PreTrainedModel, folder: Path) -> PreTrainedModel:
    names = {name: value.shape for name, value in base.state_dict().items()}
    shared: Any = base.get_input_embeddings().weight
    model = _adapted(base, folder)
    for module in model.modules():
        if isinstance(module, BaseTunerLayer):
            _merge_one(module, shared, folder)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of layers that are merged already, and of a head that is no longer tied
        merged: Any = model.merge_and_unload()
    if {name: value.shape for name, value in merged.state_dict().items()} != names:
        raise AdapterUnfit(f"{folder}: the adapter changes what tensors the model has")
    plain: PreTrainedModel = merged
    return plain


def _merge_one(module: Any, shared: Any, folder: Path) -> None:
    layer = module.get_base_layer()
    if layer.weight is shared:  # a head may share it: what is added to one of them is not meant for the other
        layer.weight = torch.nn.Parameter(layer.weight.detach().clone(), requires_grad=False)
    stored = layer.weight.dtype
    layer.to(torch.float32)
    with told_as(AdapterUnfit, folder):  # not finite
        module.merge(safe_merge=True)
    layer.to(stored)


def _adapted(base: PreTrainedModel, folder: Path) -> PeftModel:
    with told_as(AdapterUnfit, f"{folder}: does not fit the base model"):
        config = PeftConfig.from_pretrained(str(folder))
        if str(getattr(config.peft_type, "value", config.peft_type)) != "LORA":
            raise AdapterUnfit(f"{folder}: {config.peft_type} is no LoRA, which is what can be merged")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # peft warns of tensors that do not fit: they are an error below
            model = PeftModel.from_pretrained(base, str(folder), is_trainable=False)
        with safe_open(folder / ADAPTER, framework="pt") as file:
            given = set(file.keys())
    if odd := given ^ _expected(model):
        raise AdapterUnfit(f"{folder}: trained on another base model: {min(odd)} is in only one of them")
    return model


def _expected(model: PeftModel) -> set[str]:
    """The names that an adapter file for this model has."""
    return set(get_peft_model_state_dict(model))
