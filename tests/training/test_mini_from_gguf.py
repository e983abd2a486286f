"""so8t-mini as it ships, read back for training."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np
import pytest
from transformers import LlamaForCausalLM

from so8t.gate.models.fetch import pull
from so8t.training.export.folder import export_folder
from so8t.training.mini import tokenizer
from so8t.training.mini.from_gguf import write_folder

TEXTS = [
    "write hello to out.txt",
    '<|user|>{"name": "x"}<|end|>',
    "議事録 🙂 1,234.50\n\tx",
    '", "content": "a"}}</tool_call>',
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("mini")
    write_folder(pull("so8t-mini"), made)
    return made


def test_exported_again_it_is_the_same_tensors_and_vocabulary(folder: Path, tmp_path: Path) -> None:
    export_folder(folder, tmp_path / "again.gguf", name="so8t-mini")
    shipped, again = gguf.GGUFReader(pull("so8t-mini")), gguf.GGUFReader(tmp_path / "again.gguf")
    for key in ("tokens", "merges", "token_type"):
        assert shipped.fields[f"tokenizer.ggml.{key}"].contents() == again.fields[f"tokenizer.ggml.{key}"].contents()
    ours = {tensor.name: tensor for tensor in again.tensors}
    assert set(ours) == {tensor.name for tensor in shipped.tensors}
    for tensor in shipped.tensors:
        a, b = (gguf.quants.dequantize(t.data, t.tensor_type) for t in (tensor, ours[tensor.name]))
        assert np.allclose(a, b, atol=1e-6), tensor.name


def test_its_tokenizer_gives_text_back_as_it_was(folder: Path) -> None:
    words = tokenizer.load(folder)
    for text in TEXTS:
        assert words.decode(tokenizer.encode(words, text)) == text


def test_transformers_loads_it(folder: Path) -> None:
    model = LlamaForCausalLM.from_pretrained(folder)
    assert model.config.hidden_size == 256
    assert model.get_output_embeddings().weight is model.get_input_embeddings().weight
