"""Whole matrices trained, kept as an adapter: what is written is what was measured, through the gate's own merging."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from safetensors.torch import save_file  # noqa: E402  # after importorskip: the extra may be absent
from transformers import BertConfig, BertModel  # noqa: E402

from so8t.gate.models.lora import Adapter, merge  # noqa: E402
from so8t.training.factored import factored, targeted, unfreeze  # noqa: E402
from so8t.training.recipe import Lora  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_thread")

SIZE = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48, "vocab_size": 60}


def lora(r: int = 32) -> Lora:
    return Lora(whole=True, r=r, targets=("query", "output.dense"))


def changed(model: BertModel, rank: int) -> None:
    """Every targeted matrix, by a change of this rank."""
    for layer in targeted(model, lora()).values():
        rows, columns = layer.weight.shape
        layer.weight.data += 0.1 * torch.randn(rows, rank) @ torch.randn(rank, columns)


@pytest.fixture
def model() -> BertModel:
    torch.manual_seed(8)
    return BertModel(BertConfig(**SIZE), add_pooling_layer=False)


def test_only_the_matrices_of_the_targets_are_trained(model: BertModel) -> None:
    unfreeze(model, lora())
    trained = {name for name, p in model.named_parameters() if p.requires_grad}
    parts = ("attention.self.query", "attention.output.dense", "output.dense")
    assert trained == {f"encoder.layer.{n}.{part}.weight" for n in range(2) for part in parts}


def test_the_gate_merges_the_adapter_into_exactly_what_the_model_became(model: BertModel, tmp_path: Path) -> None:
    before = {name: value.clone() for name, value in model.state_dict().items()}
    changed(model, rank=3)
    save_file(factored(model, before, lora(4)), tmp_path / "adapter.safetensors")
    merged = merge({n: v.numpy() for n, v in before.items()}, Adapter(tmp_path / "adapter.safetensors", 1.0))
    for name, value in model.state_dict().items():
        assert torch.allclose(torch.from_numpy(merged[name]), value, atol=1e-6), name


def test_a_change_of_no_larger_rank_is_kept_whole_and_a_larger_one_in_part(model: BertModel) -> None:
    before = {name: value.clone() for name, value in model.state_dict().items()}
    changed(model, rank=3)
    after = {name: value.clone() for name, value in model.state_dict().items()}
    name = "encoder.layer.0.attention.self.query.weight"
    factored(model, before, lora(3))
    assert torch.allclose(model.state_dict()[name], after[name], atol=2e-3)  # half precision of the factors
    model.load_state_dict(after)
    factored(model, before, lora(1))
    kept, whole = model.state_dict()[name] - before[name], after[name] - before[name]
    assert 0.1 < float(kept.norm() / whole.norm()) < 0.99


def test_what_was_not_trained_has_an_adapter_that_changes_nothing(model: BertModel) -> None:
    before = {name: value.clone() for name, value in model.state_dict().items()}
    assert all(not value.any() for value in factored(model, before, lora(2)).values())
