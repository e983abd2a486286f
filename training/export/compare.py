"""A GGUF file in llama.cpp against the folder in transformers: same tokens, same states, same logits?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import AutoModel, AutoModelForCausalLM

from so8t.gate.worker.supervisor import Worker
from so8t.training.export import tokenizer
from so8t.training.export.architecture import ENCODER
from so8t.training.export.child import HOURS, with_llama_cpp
from so8t.training.export.errors import ExportError, UnreadableFolder, told_as
from so8t.training.export.folder_config import config_of

Arrays = dict[str, NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class Differences:
    """What differs, over all tokens of all texts. Errors are the largest absolute ones."""

    tokens: int  # compared
    other_tokens: tuple[str, ...]  # the texts that llama.cpp cuts differently
    states: float  # of the last hidden states, after the final norm
    logits: float | None  # None for an encoder
    same_choice: float | None  # share of tokens with the same most likely next token; None for an encoder
    divergence: float | None  # mean Kullback-Leibler divergence of the next token, nats; None for an encoder


def compare(folder: Path, gguf: Path, texts: Sequence[str], threads: int = 1) -> Differences:
    """Read each text (1 to 512 tokens) with both, in float32. Both get the ids of transformers.

    Raises ExportError: a folder that cannot be read, a file that llama.cpp refuses or dies on.
    """
    if not texts:
        raise ExportError("nothing to compare: give at least one text")
    causal = config_of(folder).model_type != ENCODER
    words = tokenizer.load(folder)
    ids = [list(words(text)["input_ids"]) for text in texts]
    with TemporaryDirectory() as made:
        targets = [Path(made) / f"{number}.npz" for number in range(len(texts))]

        async def talk(worker: Worker) -> Any:
            for one, target in zip(ids, targets, strict=True):
                await worker.call("states", {"ids": one, "target": str(target)}, timeout=HOURS)
            return await worker.call("tokens", {"texts": list(texts)}, timeout=HOURS)

        options = {"gguf": str(gguf), "causal": causal, "threads": threads}
        theirs = with_llama_cpp("Reader", options, gguf.name, talk)
        others = tuple(text for text, a, b in zip(texts, ids, theirs, strict=True) if a != b)
        return _differences(_Model(folder, causal), ids, targets, others)


class _Model:
    """The folder in transformers, float32."""

    def __init__(self, folder: Path, causal: bool) -> None:
        self._causal = causal
        kind: Any = AutoModelForCausalLM if causal else AutoModel
        with told_as(UnreadableFolder, folder):
            self._model = kind.from_pretrained(folder, dtype=torch.float32).eval()

    @torch.inference_mode()
    def read(self, ids: list[int]) -> Arrays:
        """states (T, D), and logits (T, V) of a causal model."""
        out = self._model(torch.tensor([ids]), output_hidden_states=True)
        states: NDArray[np.float32] = out.hidden_states[-1][0].numpy()  # (T, D)
        return {"states": states, "logits": out.logits[0].numpy()} if self._causal else {"states": states}


def _differences(model: _Model, ids: list[list[int]], targets: list[Path], others: tuple[str, ...]) -> Differences:
    states, logits, same, divergence = 0.0, 0.0, 0, 0.0
    total = sum(map(len, ids))
    causal = False
    for one, target in zip(ids, targets, strict=True):
        ours = model.read(one)
        with np.load(target) as theirs:
            states = max(states, _largest(ours["states"], theirs["states"]))
            if causal := "logits" in ours:
                other = theirs["logits"]  # (T, V)
                logits = max(logits, _largest(ours["logits"], other))
                same += int((ours["logits"].argmax(-1) == other.argmax(-1)).sum())
                divergence += float(_divergence(ours["logits"], other).sum())
    if not causal:
        return Differences(total, others, states, None, None, None)
    return Differences(total, others, states, logits, same / total, divergence / total)


def _largest(ours: NDArray[np.float32], theirs: NDArray[np.float32]) -> float:
    """Infinite where one of them is not finite: a NaN must never look like no difference."""
    if ours.shape != theirs.shape:
        raise ExportError(f"transformers gives {ours.shape} numbers, llama.cpp {theirs.shape}")
    largest = float(np.abs(ours - theirs).max())
    return largest if np.isfinite(largest) else float("inf")


def _divergence(ours: NDArray[np.float32], theirs: NDArray[np.float32]) -> NDArray[np.float64]:
    """KL(ours || theirs) of each token, (T,)."""
    a, b = (np.float64(x) - np.logaddexp.reduce(np.float64(x), axis=-1, keepdims=True) for x in (ours, theirs))
    result: NDArray[np.float64] = (np.exp(a) * (a - b)).sum(-1)
    return result
