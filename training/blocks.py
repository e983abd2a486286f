"""Where a Hugging Face model keeps its blocks, whatever its architecture and whatever is wrapped around it."""

from __future__ import annotations

from torch import nn
from transformers import PreTrainedModel


class BlocksNotFound(Exception):
    """The model has no list of blocks, or several. The message says what was looked for and what is there."""


def blocks(model: nn.Module) -> list[nn.Module]:
    """The transformer blocks, first to last.

    They stand in the outermost ModuleList that has as many members as the configuration names hidden layers: so the
    search sees through peft, DDP, FSDP and a model of ours around the base, and passes by lists inside the blocks.

    Raises:
        BlocksNotFound: no such list, or more than one (an encoder-decoder model).
    """
    base = next((module for module in model.modules() if isinstance(module, PreTrainedModel)), None)
    if base is None:
        raise BlocksNotFound(f"{type(model).__name__} holds no Hugging Face model: name the blocks yourself")
    depth = getattr(base.config.get_text_config(), "num_hidden_layers", None)
    lists = {name: module for name, module in base.named_modules() if isinstance(module, nn.ModuleList)}
    fitting = [name for name, module in lists.items() if len(module) == depth]
    outermost = [name for name in fitting if not any(name.startswith(f"{other}.") for other in fitting)]
    if len(outermost) != 1:
        there = ", ".join(f"{name} ({len(module)})" for name, module in lists.items()) or "none"
        raise BlocksNotFound(
            f"{type(base).__name__}: looked for one ModuleList with num_hidden_layers = {depth} blocks, found"
            f" {len(outermost) or 'none'}: its lists are {there}. Name the blocks yourself"
        )
    return list(lists[outermost[0]])
