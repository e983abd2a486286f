"""A training run that takes seconds: a small random Llama, cases in which a word tells the label, a recipe."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import labelled
import small_models

SAYS = {"ALLOW": "read", "ESCALATE": "send", "REFUSE": "erase"}
THINGS = ("the notes", "my letter", "every invoice", "the old photo", "Aya's plan", "報告書", "that list", "the backup")

RECIPE = """
[model]
base = "base"
kind = "causal"
dropout = 0.2
[lora]
r = 4
alpha = 8
dropout = 0.1
[data]
cases = ["cases.jsonl"]
longest = 64
validation = 0.15
calibration = 0.2
test = 0.2
[pet]
strength = 0.1
[train]
epochs = 4
micro_batch = 4
accumulation = 2
body_rate = 5e-3
head_rate = 2e-2
precision = "float32"
evaluate_every = 1
[export]
gguf = ["f32"]
"""


def cases(n: int = 150, seed: int = 8) -> list[dict[str, Any]]:
    """Labels in turn, no two alike."""
    dice = random.Random(seed)
    found = []
    for number in range(n):
        label = labelled.LABELS[number % 3]
        words = " ".join(dice.sample("abcdefghijklmnopqrstuvwxyz0123456789", 6))
        said = f"{SAYS[label]} {dice.choice(THINGS)} {words}"
        found.append(labelled.line(f"c{number}", label, said, lang="en", category="files", difficulty="easy"))
    return found


def write(folder: Path, recipe: str = RECIPE, lines: list[Any] | None = None) -> Path:
    """The recipe's file, with everything that it names beside it."""
    folder.mkdir(exist_ok=True)
    words = small_models.llama3(600)
    small_models.save(folder / "base", small_models.model("llama", words, initializer_range=0.1), words)
    labelled.write(folder / "cases.jsonl", cases() if lines is None else lines)
    file = folder / "tiny.toml"
    file.write_text(recipe, encoding="utf-8")
    return file
