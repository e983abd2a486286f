"""How much each input of each matrix matters, so that quantising rounds the important ones less.

For each linear layer: the mean over tokens of x^2, of each column of its input x, over texts that the model will read.
llama.cpp weighs the rounding error of a column by it (its "importance matrix").
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import AutoModelForCausalLM

from so8t.training.export import architecture, tensors, tokenizer
from so8t.training.export.errors import UnreadableFolder, WrongWeights, told_as
from so8t.training.export.folder_config import config_of

LONGEST = 512  # tokens of a text that are read


def importance(folder: Path, texts: Sequence[str]) -> dict[str, NDArray[np.float32]]:
    """GGUF name of a matrix -> (D_in,) mean squares. The whole model is loaded, in its own number format.

    Raises UnreadableFolder, UnknownArchitecture, UnsupportedModel.
    """
    config = config_of(folder)
    kind = architecture.of(config)
    with told_as(UnreadableFolder, folder):
        model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype="auto")
    words = tokenizer.load(folder)
    model.eval()
    sums: dict[str, Tensor] = {}
    seen = 0
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear) and (named := _gguf_name(kind, config.num_hidden_layers, name)):
            module.register_forward_pre_hook(partial(_add, sums, named))
    with torch.no_grad():
        for text in texts:
            ids = words(text, return_tensors="pt", truncation=True, max_length=LONGEST)["input_ids"]  # (1, T)
            model(input_ids=ids, use_cache=False)
            seen += ids.shape[1]
    return {name: (value / max(1, seen)).numpy() for name, value in sums.items()}


def _add(sums: dict[str, Tensor], name: str, _module: nn.Module, inputs: tuple[Any, ...]) -> None:
    squares = inputs[0].float().square().flatten(0, -2).sum(0)  # (D_in,)
    sums[name] = sums[name] + squares if name in sums else squares


def _gguf_name(kind: architecture.Architecture, blocks: int, name: str) -> str | None:
    try:
        return tensors.gguf_name(kind.gguf, blocks, f"{name}.weight")
    except WrongWeights:
        return None
