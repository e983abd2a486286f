"""Base and head together: the loss is that of its parts, the base is as it was, the gradient goes where it should."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - torch's own name for it
from hypothesis import given, settings
from hypothesis import strategies as st
from peft import LoraConfig, get_peft_model
from torch import Tensor, nn
from transformers import AutoModel, AutoModelForCausalLM, BertConfig, LlamaConfig, Qwen3Config

import so8t.training.pet
from so8t.gate.backbones.pooling import Pooling
from so8t.training.losses import Coefficients
from so8t.training.model import Judging, logits_of, trained
from so8t.training.safety_head import SafetyHead
from so8t.training.smoothness import smoothness

pytestmark = pytest.mark.usefixtures("one_thread")

SIZE: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 48,
    "vocab_size": 60,
    "initializer_range": 0.3,
}
DECODER: dict[str, Any] = SIZE | {"num_key_value_heads": 1, "use_cache": False, "pad_token_id": 0}
CONFIGS: dict[str, Any] = {
    "bert": BertConfig(**SIZE, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0),
    "llama": LlamaConfig(**DECODER),
    "qwen3": Qwen3Config(**DECODER, head_dim=16, tie_word_embeddings=True),
}
CAUSAL = ("llama", "qwen3")
WEIGHTS = Coefficients(alpha=3.0, beta=6.0, gamma=1.5)


def base_of(kind: str) -> Any:
    torch.manual_seed(5)
    return (AutoModelForCausalLM if kind in CAUSAL else AutoModel).from_config(CONFIGS[kind])


def with_adapter(base: Any) -> Any:
    """With random weights, so that it does something."""
    torch.manual_seed(6)
    return get_peft_model(base, LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", init_lora_weights=False))


def judging(kind: str, *, adapter: bool = True, pooling: Pooling = "mean", **options: Any) -> Judging:
    base = with_adapter(base_of(kind)) if adapter else base_of(kind).requires_grad_(False)
    torch.manual_seed(7)
    head = SafetyHead(32, pooling, 0.0, **options)
    return Judging(base, head, WEIGHTS, causal=kind in CAUSAL)


def batch() -> dict[str, Tensor]:
    """Four rows, two of them padded; one has no target, one no text to learn."""
    ids = torch.randint(1, 60, (4, 9), generator=torch.Generator().manual_seed(1))
    mask = torch.ones(4, 9, dtype=torch.long)
    mask[0, 6:] = mask[2, 4:] = 0
    labels = torch.where(mask == 1, ids, -100)
    labels[:, :2] = labels[3] = -100
    target, weight = torch.tensor([0, 1, -100, 2]), torch.tensor([0.5, 1.5, 1.0, 2.0])
    return {"input_ids": ids * mask, "attention_mask": mask, "labels": labels, "target": target, "weight": weight}


def seen(rows: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: rows[name] for name in ("input_ids", "attention_mask")}


def inner(model: Judging) -> Any:
    """The base, without peft around it."""
    return model.base.get_base_model() if hasattr(model.base, "get_base_model") else model.base


def gradients(model: nn.Module) -> dict[str, Tensor]:
    return {name: p.grad for name, p in model.named_parameters() if p.grad is not None and bool(p.grad.any())}


def safety_by_hand(logits: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Of `batch()`: three rows with a target."""
    costs = F.cross_entropy(logits[[0, 1, 3]], torch.tensor([0, 1, 2]), reduction="none")
    p = logits.softmax(-1)
    return (costs * torch.tensor([0.5, 1.5, 2.0])).mean(), p[3, 0], p[1, 1]


@pytest.mark.parametrize("kind", CAUSAL)
def test_the_loss_of_a_language_model_is_the_sum_of_its_parts_computed_by_hand(kind: str) -> None:
    model, rows = judging(kind), batch()
    model.lambda_pet = 0.15
    with model.watched():
        found = model(**rows)
    reported = model.base(**seen(rows), labels=rows["labels"], output_hidden_states=True)
    blocks: list[Tensor] = []
    hook = inner(model).model.layers[-1].register_forward_hook(lambda _m, _i, out: blocks.append(out))
    model.base(**seen(rows))
    hook.remove()
    pet = torch.stack([smoothness(h, rows["attention_mask"]) for h in (*reported.hidden_states[1:3], *blocks)]).mean()
    safety, penalty, escalate = safety_by_hand(model.head(reported.hidden_states[-1], rows["attention_mask"]))
    parts = {"sft": reported.loss, "safety": safety, "penalty": penalty, "escalate": escalate, "pet": pet}
    assert model.terms is not None
    for name, value in parts.items():
        torch.testing.assert_close(model.terms.raw[name], value.detach())
    expected = reported.loss + 3.0 * safety + 6.0 * penalty - 1.5 * escalate + 0.15 * pet
    torch.testing.assert_close(found["loss"], expected)
    assert all(float(value) > 0 for value in model.terms.raw.values())


def test_the_loss_of_an_encoder_has_no_text_in_it() -> None:
    model, rows = judging("bert"), batch()
    found = model(**rows)
    safety, penalty, escalate = safety_by_hand(found["logits"])
    torch.testing.assert_close(found["loss"], 3.0 * safety + 6.0 * penalty - 1.5 * escalate)
    assert model.terms is not None
    assert float(model.terms.raw["sft"]) == 0.0


@pytest.mark.parametrize("adapter", [False, True])
@pytest.mark.parametrize("kind", CONFIGS)
def test_the_states_are_the_last_hidden_state_of_the_base_to_the_last_bit(kind: str, adapter: bool) -> None:
    model, rows = judging(kind, adapter=adapter).eval(), batch()
    own = model.base(**seen(rows), output_hidden_states=True).hidden_states[-1]
    assert torch.equal(model.states(**seen(rows)), own)


@pytest.mark.parametrize("kind", CAUSAL)
def test_the_text_is_learnt_through_the_own_head_of_the_language_model(kind: str) -> None:
    model, rows = judging(kind), batch()
    own = model.base(**seen(rows), labels=rows["labels"])
    model(**rows)
    assert model.terms is not None
    torch.testing.assert_close(model.terms.raw["sft"], own.loss.detach())
    model(**rows | {"labels": torch.full((4, 9), -100)})
    assert float(model.terms.raw["sft"]) == 0.0


@pytest.mark.parametrize("kind", CAUSAL)
def test_without_targets_the_gradient_is_that_of_the_own_loss_of_the_language_model(kind: str) -> None:
    model, rows = judging(kind), batch()
    model.base(**seen(rows), labels=rows["labels"]).loss.backward()
    own = {name: grad.clone() for name, grad in gradients(model).items()}
    model.zero_grad()
    model(**rows | {"target": torch.full((4,), -100)})["loss"].backward()
    found = gradients(model)
    assert found.keys() == own.keys() != set()
    for name, grad in own.items():
        torch.testing.assert_close(found[name], grad, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("kind", CONFIGS)
def test_being_watched_changes_no_output_and_no_gradient(kind: str) -> None:
    found = []
    for strength in (None, 0.0, 0.2):
        model, rows = judging(kind), batch()
        model.lambda_pet = strength or 0.0
        with nullcontext() if strength is None else model.watched():
            out = model(**rows)
            out["loss"].backward()
        found.append((out["logits"], model.states(**seen(rows)), gradients(model), hooks(model)))
    (logits, states, grads, _), quiet, loud = found
    assert torch.equal(quiet[0], logits)
    assert torch.equal(loud[0], logits)
    assert torch.equal(quiet[1], states)
    assert all(torch.equal(grad, quiet[2][name]) for name, grad in grads.items())
    assert any(not torch.equal(grad, loud[2][name]) for name, grad in grads.items())  # that one did learn from PET
    assert quiet[3] == loud[3] == 0


def hooks(model: nn.Module) -> int:
    return sum(len(module._forward_hooks) for module in model.modules())


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One entry for each block that PET looks at; what it finds is as always."""
    found: list[int] = []

    def counted(states: Tensor, mask: Tensor) -> Tensor:
        found.append(1)
        return smoothness(states, mask)

    monkeypatch.setattr(so8t.training.pet, "smoothness", counted)
    return found


def test_without_strength_pet_never_runs_and_with_it_once_for_each_block(measured: list[int]) -> None:
    model, rows = judging("llama"), batch()
    with model.watched():
        model(**rows)
        model(**rows)
        assert measured == []
        model.lambda_pet = 0.1
        model(**rows)
        assert len(measured) == 3
        model(**seen(rows))  # an evaluation
        logits_of(model, [rows])
        assert len(measured) == 3
        model.lambda_pet = 0.0
        model(**rows)
    model.lambda_pet = 0.1
    model(**rows)  # nobody watches any more
    assert len(measured) == 3


def test_a_batch_that_fails_while_watched_leaves_no_hooks_and_the_next_one_is_right() -> None:
    model, rows = judging("llama"), batch()
    model.lambda_pet = 0.1
    with model.watched():
        expected = model(**rows)["loss"]
        with pytest.raises(IndexError):
            model(**rows | {"input_ids": rows["input_ids"] + 60})
        assert torch.equal(model(**rows)["loss"], expected)
    with pytest.raises(KeyboardInterrupt), model.watched():
        raise KeyboardInterrupt
    assert hooks(model) == 0


@pytest.mark.parametrize("kind", CONFIGS)
def test_gradients_reach_adapter_and_head_and_never_the_weights_of_the_base(kind: str) -> None:
    model = judging(kind)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    with model.watched():
        model.lambda_pet = 0.1
        model(**batch())["loss"].backward()
    own = {name for name in before if "lora_" in name or name.startswith("head.")}
    unread = {name for name in own if "pooler" in name}  # nothing reads BERT's pooler
    assert gradients(model).keys() == own - unread
    torch.optim.SGD([p for p in model.parameters() if p.grad is not None], lr=0.1).step()
    changed = {name for name, p in model.named_parameters() if not torch.equal(p, before[name])}
    assert changed == own - unread


@pytest.mark.parametrize("kind", CONFIGS)
def test_with_a_frozen_base_only_the_head_learns(kind: str) -> None:
    model = judging(kind, adapter=False)
    model(**batch())["loss"].backward()
    assert set(gradients(model)) == {f"head.{name}" for name, _ in model.head.named_parameters()}


def test_with_stop_gradient_the_safety_losses_reach_the_head_alone() -> None:
    model, rows = judging("llama", stop_gradient=True), batch()
    model(**rows | {"labels": torch.full((4, 9), -100)})["loss"].backward()
    assert {name.partition(".")[0] for name in gradients(model)} == {"head"}


def test_with_stop_gradient_the_base_learns_its_text_and_pet_as_without_a_head() -> None:
    model, rows = judging("llama", stop_gradient=True), batch()
    model.lambda_pet = 0.1
    with model.watched():
        model(**rows)["loss"].backward()
        found = {name: grad.clone() for name, grad in gradients(model).items() if "lora_" in name}
        model.zero_grad()
        model(**rows | {"target": torch.full((4,), -100)})["loss"].backward()
    alone = {name: grad for name, grad in gradients(model).items() if "lora_" in name}
    assert found.keys() == alone.keys() != set()
    for name, grad in found.items():
        torch.testing.assert_close(grad, alone[name])


POOLINGS: tuple[Pooling, ...] = ("mean", "cls", "last")


@settings(max_examples=15)
@given(
    lengths=st.lists(st.integers(1, 12), min_size=1, max_size=5),
    kind=st.sampled_from(sorted(CONFIGS)),
    pooling=st.sampled_from(POOLINGS),
    filler=st.integers(0, 59),
)
def test_a_row_of_a_padded_batch_has_the_logits_that_it_has_alone(
    lengths: list[int], kind: str, pooling: Pooling, filler: int
) -> None:
    model = judging(kind, pooling=pooling).eval()
    generator = torch.Generator().manual_seed(sum(lengths))
    texts = [torch.randint(1, 60, (1, length), generator=generator) for length in lengths]
    ids = torch.cat([F.pad(text, (0, max(lengths) - text.shape[1]), value=filler) for text in texts])  # (B, T)
    mask = (torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]).long()
    with torch.inference_mode():
        together = model(ids, mask)["logits"]
        for row, text in enumerate(texts):
            alone = model(text, torch.ones_like(text))["logits"][0]
            torch.testing.assert_close(together[row], alone, atol=2e-4, rtol=1e-4)


def test_without_targets_a_forward_gives_the_same_logits_and_no_loss() -> None:
    model, rows = judging("qwen3"), batch()
    found = model(**seen(rows))
    assert found.keys() == {"logits"}
    assert torch.equal(found["logits"], model(**rows)["logits"])


def test_logits_of_batches_come_in_their_order_in_float32_without_dropout_and_training_goes_on() -> None:
    model, rows = judging("bert"), batch()
    model.head.dropout.p = 0.5
    halves = [{name: value[part] for name, value in rows.items()} for part in (slice(0, 1), slice(1, 4))]
    model.train()
    found = logits_of(model, halves)
    assert model.training
    assert model.head.dropout.training
    assert (found.shape, found.dtype, found.requires_grad) == ((4, 3), torch.float32, False)
    torch.testing.assert_close(found, model.eval()(**seen(rows))["logits"])
    logits_of(model, halves)
    assert not model.training


def test_under_bfloat16_the_logits_are_float32_and_the_loss_is_near_the_exact_one() -> None:
    model, rows = judging("llama"), batch()
    exact = model(**rows)["loss"].item()
    with torch.autocast("cpu", torch.bfloat16):
        found = model(**rows)
    assert found["logits"].dtype == found["loss"].dtype == torch.float32
    assert found["loss"].item() == pytest.approx(exact, rel=0.05)


def test_checkpointing_changes_no_gradient_with_pet_either() -> None:
    found = []
    for flag in (False, True):
        model, rows = judging("llama").train(), batch()
        if flag:
            inner(model).gradient_checkpointing_enable({"use_reentrant": False})
        model.lambda_pet = 0.2
        with model.watched():
            model(**rows)["loss"].backward()
        found.append(gradients(model))
    plain, again = found
    assert plain.keys() == again.keys()
    for name, grad in plain.items():
        torch.testing.assert_close(grad, again[name])


def test_a_checkpoint_needs_adapter_and_head_and_nothing_of_the_base() -> None:
    own = trained(judging("llama"))
    assert {name.partition(".")[0] for name in own} == {"base", "head"}
    assert all("lora_" in name for name in own if name.startswith("base."))
    assert trained(judging("llama", adapter=False)).keys() == {name for name in own if name.startswith("head.")}
    assert not any(value.requires_grad for value in own.values())
