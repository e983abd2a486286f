"""Averaging two runs of so8t-mini: weights between the two, facts of both, a clear error for models that differ."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import LlamaConfig, LlamaForCausalLM

from so8t.training.mini import tokenizer
from so8t.training.mini.average import average

TEXTS = ("what files are here", "read notes.md", "write hello to out.txt") * 5


def run(folder: Path, seed: int, hidden: int = 16) -> Path:
    """A random model in the layout of a run."""
    torch.manual_seed(seed)
    words = tokenizer.train(TEXTS)
    config = LlamaConfig(
        vocab_size=len(words), hidden_size=hidden, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    words.save_pretrained(folder)
    (folder / "run.json").write_text(json.dumps({"plan": {"seed": seed}}), encoding="utf-8")
    return folder


def test_each_weight_lies_between_the_two_by_the_share(tmp_path: Path) -> None:
    first, second = run(tmp_path / "a", 1), run(tmp_path / "b", 2)
    average(first, second, 0.7, tmp_path / "c")
    a, b, c = (load_file(folder / "model.safetensors") for folder in (first, second, tmp_path / "c"))
    assert a.keys() == b.keys() == c.keys()
    for name in a:
        torch.testing.assert_close(c[name], 0.3 * a[name] + 0.7 * b[name])


def test_the_facts_of_both_runs_are_kept(tmp_path: Path) -> None:
    average(run(tmp_path / "a", 1), run(tmp_path / "b", 2), 0.5, tmp_path / "c")
    facts = json.loads((tmp_path / "c" / "run.json").read_text(encoding="utf-8"))["average"]
    assert facts["share_of_second"] == 0.5
    assert [one["plan"]["seed"] for one in facts["runs"]] == [1, 2]


def test_models_of_different_shapes_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="different shapes"):
        average(run(tmp_path / "a", 1), run(tmp_path / "b", 2, hidden=32), 0.5, tmp_path / "c")
