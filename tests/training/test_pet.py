"""Hooks on real, tiny, random models of every kind: nothing changes, the gradient arrives, errors are clear."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model, prepare_model_for_kbit_training
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint, set_checkpoint_early_stop
from transformers import (
    AutoModel,
    AutoModelForCausalLM,
    BertConfig,
    BitsAndBytesConfig,
    DistilBertConfig,
    GPT2Config,
    LlamaConfig,
    MistralConfig,
    Qwen2Config,
    Qwen3Config,
    T5Config,
)

from so8t.training.blocks import BlocksNotFound, blocks
from so8t.training.pet import NoGradient, NotWatched, Pet
from so8t.training.smoothness import StatesUnfit, smoothness

# peft and we use names that transformers 4 knows and transformers 5 calls old
pytestmark = pytest.mark.usefixtures("one_thread")

SIZE = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 48, "vocab_size": 60}
DECODER = {**SIZE, "num_key_value_heads": 1, "use_cache": False, "pad_token_id": 0}
CONFIGS: dict[str, Any] = {
    "llama": LlamaConfig(**DECODER),
    "mistral": MistralConfig(**DECODER),
    "qwen2": Qwen2Config(**DECODER),
    "qwen3": Qwen3Config(**DECODER, head_dim=16),
    "bert": BertConfig(**SIZE),
    "gpt2": GPT2Config(n_embd=32, n_layer=3, n_head=2, vocab_size=60, use_cache=False),
    "distilbert": DistilBertConfig(dim=32, n_layers=3, n_heads=2, hidden_dim=48, vocab_size=60),
}


def made(kind: str = "llama", **changes: Any) -> Any:
    """A random model whose dropout is off while training, so that two runs can be compared."""
    torch.manual_seed(5)
    model = AutoModel.from_config(CONFIGS[kind].__class__(**{**CONFIGS[kind].to_dict(), **changes})).train()
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    return model


def batch() -> dict[str, Tensor]:
    """Three rows: padded right, padded left, full."""
    ids = torch.randint(1, 60, (3, 9), generator=torch.Generator().manual_seed(1))
    mask = torch.ones(3, 9, dtype=torch.long)
    mask[0, 6:] = 0
    mask[1, :4] = 0
    return {"input_ids": ids * mask, "attention_mask": mask}


def pet_of(model: nn.Module, rows: dict[str, Tensor], **options: Any) -> Tensor:
    with Pet(model, **options) as pet:
        pet.watch(rows["attention_mask"])
        model(**rows)
        return pet.loss()


def gradients(model: nn.Module, loss: Tensor) -> dict[str, Tensor]:
    model.zero_grad()
    loss.backward()
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def hooks(model: nn.Module) -> int:
    return sum(len(module._forward_hooks) for module in model.modules())


@pytest.mark.parametrize("kind", CONFIGS)
def test_outputs_and_gradients_are_bit_identical_with_and_without_hooks(kind: str) -> None:
    model, rows = made(kind), batch()
    plain = model(**rows).last_hidden_state
    before = gradients(model, plain.square().sum())
    with Pet(model) as pet:
        pet.watch(rows["attention_mask"])
        hooked = model(**rows).last_hidden_state
        after = gradients(model, hooked.square().sum() + 0 * pet.loss())
    assert torch.equal(plain, hooked)
    assert all(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize("kind", CONFIGS)
def test_the_loss_is_the_mean_over_the_hidden_states_that_the_model_reports(kind: str) -> None:
    model, rows = made(kind), batch()
    inside: list[Tensor] = []
    for block in blocks(model):
        block.register_forward_hook(lambda _m, _i, out: inside.append(out if isinstance(out, Tensor) else out[0]))
    expected = torch.stack([smoothness(h, rows["attention_mask"]) for h in _states(model, rows, inside)]).mean()
    torch.testing.assert_close(pet_of(model, rows), expected)


def _states(model: Any, rows: dict[str, Tensor], inside: list[Tensor]) -> list[Tensor]:
    """From the model's own output; the last one is normed there in decoders, so it comes from the block."""
    reported = model(**rows, output_hidden_states=True).hidden_states
    assert len(reported) == 4
    torch.testing.assert_close(reported[1], inside[0])
    return [*reported[1:3], inside[2]]


@pytest.mark.parametrize(
    ("kind", "name"), [("bert", "encoder.layer.0.output.dense.weight"), ("gpt2", "h.0.mlp.c_proj.weight")]
)
def test_the_gradient_of_the_weights_is_that_of_finite_differences(kind: str, name: str) -> None:
    model, rows = (
        made(kind).double(),
        batch(),
    )  # decoders with RMSNorm compute that in float32 whatever they are cast to
    weight = model.get_parameter(name)
    got = gradients(model, pet_of(model, rows))[name]
    for place in [(0, 0), (7, 30), (31, 17)]:
        values = []
        for step in (1e-5, -1e-5):
            with torch.no_grad():
                weight[place] += step
                values.append(pet_of(model, rows).item())
                weight[place] -= step
        assert got[place].item() == pytest.approx((values[0] - values[1]) / 2e-5, rel=1e-5)


def test_tokens_in_the_padding_change_neither_loss_nor_gradient() -> None:
    model, rows = made().double(), batch()
    first = pet_of(model, rows)
    one = gradients(model, first)
    other_ids = torch.where(rows["attention_mask"] == 1, rows["input_ids"], 17)
    second = pet_of(model, {**rows, "input_ids": other_ids})
    torch.testing.assert_close(first, second, rtol=1e-12, atol=0)
    for name, value in gradients(model, second).items():
        torch.testing.assert_close(value, one[name], rtol=1e-9, atol=1e-13)


def test_rows_too_short_for_three_tokens_give_zero_with_a_graph() -> None:
    model = made()
    loss = pet_of(model, {"input_ids": torch.tensor([[3, 4]]), "attention_mask": torch.ones(1, 2)})
    assert loss.item() == 0
    assert not any(value.any() for value in gradients(model, loss).values())


@pytest.mark.parametrize("kind", ["llama", "qwen3", "bert"])
@pytest.mark.parametrize("reentrant", [True, False])
def test_gradient_checkpointing_changes_neither_loss_nor_gradients(kind: str, reentrant: bool) -> None:
    model, rows = made(kind), batch()
    expected = pet_of(model, rows)
    before = gradients(model, expected)
    model.gradient_checkpointing_enable({"use_reentrant": reentrant})
    with Pet(model) as pet:
        for _ in range(2):  # the recomputation of the first batch must not count in the second
            pet.watch(rows["attention_mask"])
            model(**rows)
            loss = pet.loss()
            after = gradients(model, loss)
    torch.testing.assert_close(loss, expected)
    assert set(after) == set(before)
    for name in before:
        torch.testing.assert_close(after[name], before[name])


class Enclosed(nn.Module):
    """Checkpoints around whole blocks, hooks included, as transformers did before 5."""

    def __init__(self, reentrant: bool | None) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.steps = nn.ModuleList([nn.Sequential(nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 8)) for _ in range(3)])
        self.reentrant = reentrant
        self.runs = 0

    def forward(self, x: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        for step in self.steps:
            x = step(x) if self.reentrant is None else checkpoint(self._run, step, x, use_reentrant=self.reentrant)
        return x

    def _run(self, step: nn.Module, x: Tensor) -> Tensor:
        self.runs += 1
        result: Tensor = step(x)
        return result


def enclosed(reentrant: bool | None) -> tuple[Enclosed, dict[str, Tensor]]:
    x = torch.randn(2, 6, 8, generator=torch.Generator().manual_seed(2)).requires_grad_()
    return Enclosed(reentrant), {"x": x, "attention_mask": torch.ones(2, 6)}


@pytest.mark.parametrize("loss_first", [True, False])
@pytest.mark.parametrize("whole", [True, False])  # whether the recomputation runs on to the block's end and the hook
def test_a_checkpoint_around_the_hooks_counts_no_block_twice(whole: bool, loss_first: bool) -> None:
    plain, rows = enclosed(None)
    before = gradients(plain, pet_of(plain, rows, blocks=plain.steps) + plain(**rows).sum())
    model, rows = enclosed(False)
    with Pet(model, model.steps) as pet, set_checkpoint_early_stop(not whole):
        pet.watch(rows["attention_mask"])
        out = model(**rows)
        if loss_first:
            after = gradients(model, pet.loss() + out.sum())
        else:
            out.sum().backward(retain_graph=True)  # recomputes while the batch is still being watched
            pet.loss().backward()
            after = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    assert model.runs > 3
    for name in before:
        torch.testing.assert_close(after[name], before[name])


def test_several_batches_before_one_backward_keep_their_own_masks_under_checkpoints() -> None:
    results = []
    for reentrant in (None, False):
        model, rows = enclosed(reentrant)
        with Pet(model, model.steps) as pet, set_checkpoint_early_stop(False):
            losses = []
            for width in (6, 4):
                pet.watch(torch.ones(2, width))
                model(rows["x"][:, :width])
                losses.append(pet.loss())
            pet.watch(torch.ones(2, 5))
            results.append(gradients(model, torch.stack(losses).sum()))
    for name in results[0]:
        torch.testing.assert_close(results[0][name], results[1][name])


def test_a_reentrant_checkpoint_around_the_hooks_is_an_error_and_not_a_silent_zero() -> None:
    model, rows = enclosed(True)
    with pytest.raises(NoGradient, match="use_reentrant=False"):
        pet_of(model, rows, blocks=model.steps)


def test_evaluation_without_gradients_is_no_error() -> None:
    model, rows = made(), batch()
    with torch.no_grad():
        loss = pet_of(model, rows)
    assert not loss.requires_grad
    torch.testing.assert_close(loss, pet_of(model, rows).detach())


def test_a_frozen_base_gives_a_value_without_gradient() -> None:
    assert not pet_of(made().requires_grad_(False), batch()).requires_grad


def test_an_adapter_whose_gradient_is_cut_off_is_an_error() -> None:
    base = made().requires_grad_(False)
    base.layers[0].mlp.down_proj.weight.requires_grad_()
    base.layers[0].register_forward_hook(lambda _m, _i, out: out.detach())
    with pytest.raises(NoGradient, match=r"block 0 .*enable_input_require_grads"):
        pet_of(base, batch())


@pytest.mark.parametrize("kind", ["llama", "bert"])
@pytest.mark.parametrize("checkpointing", [True, False])
def test_lora_adapters_get_the_gradient_and_the_base_none(kind: str, checkpointing: bool) -> None:
    model, rows = made(kind), batch()
    if checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    adapted = get_peft_model(model, LoraConfig(r=4, target_modules="all-linear"))
    found = gradients(adapted, pet_of(adapted, rows))
    assert any(value.any() for name, value in found.items() if "lora_B" in name)
    assert all("lora_" in name for name in found)


@pytest.mark.parametrize("reentrant", [True, False, None])
def test_nf4_with_lora_and_checkpointing_trains_on_pet(tmp_path: Path, reentrant: bool | None) -> None:
    torch.manual_seed(5)
    AutoModelForCausalLM.from_config(LlamaConfig(**{**DECODER, "hidden_size": 64})).save_pretrained(tmp_path)
    nf4 = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True)
    base = AutoModelForCausalLM.from_pretrained(tmp_path, quantization_config=nf4, dtype=torch.bfloat16)
    model = prepare_model_for_kbit_training(
        base,
        use_gradient_checkpointing=reentrant is not None,
        gradient_checkpointing_kwargs={"use_reentrant": reentrant},
    )
    adapted: Any = get_peft_model(model, LoraConfig(r=4, target_modules="all-linear")).train()
    optimizer = torch.optim.SGD([p for p in adapted.parameters() if p.requires_grad], lr=0.02)
    values = []
    for _ in range(6):
        loss = pet_of(adapted, batch())
        assert all(torch.isfinite(value).all() for value in gradients(adapted, loss).values())
        optimizer.step()
        values.append(loss.item())
    assert values[-1] < 0.95 * values[0]
    assert loss.dtype == torch.float32


@pytest.mark.parametrize("autocast", [True, False])
def test_in_bfloat16_the_loss_is_float32_and_near_the_exact_one(autocast: bool) -> None:
    rows = batch()
    exact = pet_of(made(), rows).item()
    model = made() if autocast else made().to(torch.bfloat16)
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        loss = pet_of(model, rows)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(exact, rel=0.02)
    assert gradients(model, loss)


def test_training_on_the_loss_alone_smooths_the_states() -> None:
    model, rows = made(), batch()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    values = []
    for _ in range(15):
        loss = pet_of(model, rows)
        gradients(model, loss)
        optimizer.step()
        values.append(loss.item())
    assert values[-1] < 0.7 * values[0]


def test_hooks_are_gone_at_the_end_and_after_an_exception() -> None:
    model = made()
    with Pet(model) as pet:
        assert hooks(model) == 3
        pet.watch(torch.ones(1, 1))
    assert hooks(model) == 0
    with pytest.raises(RuntimeError, match="out of memory"), Pet(model):
        raise RuntimeError("out of memory")
    assert hooks(model) == 0
    with pytest.raises(NotWatched, match="with Pet"):
        pet.watch(torch.ones(1, 1))


def test_a_forward_that_is_not_watched_counts_nowhere() -> None:
    model, rows = made(), batch()
    with Pet(model) as pet:
        model(**rows)
        with pytest.raises(NotWatched, match="block 0 did not run"):
            pet.loss()
        pet.watch(rows["attention_mask"])
        model(**rows)
        model.eval()
        pet.loss()
        model(input_ids=rows["input_ids"][:, :4])  # another shape, as an evaluation may have
        with pytest.raises(NotWatched):
            pet.loss()


def test_two_forwards_for_one_watch_are_an_error() -> None:
    model, rows = made(), batch()
    with Pet(model) as pet:
        pet.watch(rows["attention_mask"])
        model(**rows)
        with pytest.raises(NotWatched, match="block 0 ran twice"):
            model(**rows)


def test_a_batch_that_broke_in_the_middle_leaves_nothing_behind() -> None:
    model, rows = made(), batch()
    expected = pet_of(model, rows)
    with Pet(model) as pet:
        pet.watch(rows["attention_mask"])
        model.layers[0](torch.zeros(3, 9, 32), position_embeddings=(torch.ones(1, 9, 16), torch.ones(1, 9, 16)))
        with pytest.raises(NotWatched, match="block 1 did not run"):
            pet.loss()
        pet.watch(rows["attention_mask"])
        model(**rows)
        assert torch.equal(pet.loss(), expected)


def test_a_mask_of_another_batch_is_an_error() -> None:
    model, rows = made(), batch()
    with Pet(model) as pet:
        pet.watch(torch.ones(3, 8))
        with pytest.raises(StatesUnfit, match=r"\(3, 9, 32\).*\(3, 8\)"):
            model(**rows)


def as_it_is(model: Any) -> nn.Module:
    return model  # type: ignore[no-any-return]


def with_adapter(model: Any) -> nn.Module:
    return get_peft_model(model, LoraConfig(r=2, target_modules="all-linear"))


def inside_a_module_of_ours(model: Any) -> nn.Module:
    return nn.ModuleDict({"head": nn.ModuleList([nn.Linear(1, 1)] * 3), "base": with_adapter(model)})


@pytest.mark.parametrize("kind", [kind for kind in CONFIGS if kind != "gpt2"])  # peft cannot adapt its Conv1D so
@pytest.mark.parametrize("wrap", [as_it_is, with_adapter, inside_a_module_of_ours])
def test_the_blocks_are_found_in_order_whatever_is_around_them(kind: str, wrap: Callable[[Any], nn.Module]) -> None:
    model = made(kind)
    lists = {name: m for name, m in model.named_modules() if isinstance(m, nn.ModuleList)}
    assert blocks(wrap(model)) == list(next(iter(lists.values())))


def test_lists_inside_the_blocks_are_passed_by() -> None:
    model = made()
    model.layers[1].experts = nn.ModuleList([nn.Linear(2, 2) for _ in range(3)])
    assert blocks(model) == list(model.layers)


def test_a_model_without_a_list_of_that_length_is_an_error_that_says_what_is_there() -> None:
    model = made()
    del model.layers[2]
    with pytest.raises(BlocksNotFound, match=r"num_hidden_layers = 3.*none.*layers \(2\)"):
        Pet(model)


def test_an_encoder_decoder_is_an_error_until_its_blocks_are_named() -> None:
    torch.manual_seed(1)
    model = AutoModel.from_config(T5Config(d_model=16, d_kv=8, d_ff=16, num_layers=2, num_heads=2, vocab_size=60))
    with pytest.raises(BlocksNotFound, match=r"found 2.*encoder\.block \(2\).*decoder\.block \(2\)"):
        Pet(model)
    rows = batch()
    with Pet(model, model.encoder.block) as pet:
        pet.watch(rows["attention_mask"])
        model(**rows, decoder_input_ids=torch.ones(3, 1, dtype=torch.long))
        assert pet.loss().item() > 0


def test_a_module_without_a_hugging_face_model_is_an_error() -> None:
    with pytest.raises(BlocksNotFound, match="Linear holds no Hugging Face model"):
        Pet(nn.Linear(2, 2))
