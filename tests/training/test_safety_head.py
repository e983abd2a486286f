"""The head: pooling under any padding, float32 whatever is done around it, the same answers as the gate's own head."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from transformers import AutoModel, LlamaConfig

from so8t.gate.backbones import pooling as gate_pooling
from so8t.gate.backbones.pooling import Pooling
from so8t.gate.contract import Thresholds
from so8t.gate.head_save import save
from so8t.training.safety_head import HeadCast, NothingToPool, SafetyHead, StatesUnfit, pooled

POOLINGS: tuple[Pooling, ...] = get_args(Pooling)


def drawn(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def head(pooling: Pooling = "mean", **options: Any) -> SafetyHead:
    torch.manual_seed(4)
    return SafetyHead(8, pooling, **options).eval()


@st.composite
def masks(draw: st.DrawFn) -> Tensor:
    """(B, T) with at least one valid token in each row, wherever."""
    width = draw(st.integers(1, 7))
    row = st.lists(st.booleans(), min_size=width, max_size=width).filter(any)
    return torch.tensor(draw(st.lists(row, min_size=1, max_size=4)))


@given(
    masks(), st.sampled_from(POOLINGS), st.sampled_from([torch.bool, torch.int64, torch.float32]), st.integers(0, 99)
)
def test_each_row_is_pooled_as_the_gate_pools_its_valid_tokens_alone(
    mask: Tensor, pooling: Pooling, kind: torch.dtype, seed: int
) -> None:
    states = drawn(seed, *mask.shape, 5).masked_fill(~mask.unsqueeze(-1), float("nan"))
    got = pooled(states, mask.to(kind), pooling)
    for row, (state, valid) in enumerate(zip(states, mask, strict=True)):
        np.testing.assert_allclose(got[row], gate_pooling.pooled(state[valid].numpy(), pooling), rtol=1e-5, atol=1e-6)


@given(masks(), st.sampled_from(POOLINGS), st.integers(0, 99))
def test_padding_gets_no_gradient_and_valid_tokens_get_the_right_one(mask: Tensor, pooling: Pooling, seed: int) -> None:
    states = drawn(seed, *mask.shape, 3).double().requires_grad_()
    assert torch.autograd.gradcheck(lambda h: pooled(h, mask, pooling), (states,))
    (gradient,) = torch.autograd.grad(pooled(states, mask, pooling).sum(), states)
    assert not gradient[~mask].any()
    assert gradient.sum().item() == pytest.approx(3 * len(mask))


@pytest.mark.parametrize("pooling", POOLINGS)
def test_left_and_right_padding_give_the_same_logits(pooling: Pooling) -> None:
    states, judge = drawn(1, 2, 4, 8), head(pooling)
    expected = judge(states, torch.ones(2, 4))
    wide, mask = torch.full((4, 9, 8), 7.0), torch.zeros(4, 9)
    wide[:2, :4], mask[:2, :4], wide[2:, 5:], mask[2:, 5:] = states, 1, states, 1
    torch.testing.assert_close(judge(wide, mask), expected.repeat(2, 1))


@pytest.mark.parametrize("pooling", POOLINGS)
def test_a_row_without_a_valid_token_is_an_error(pooling: Pooling) -> None:
    mask = torch.tensor([[1, 1], [0, 0], [0, 1]])
    with pytest.raises(NothingToPool, match="row 1 "):
        head(pooling)(drawn(1, 3, 2, 8), mask)
    with pytest.raises(NothingToPool, match="row 0 "):
        pooled(drawn(1, 1, 0, 8), torch.ones(1, 0), pooling)


def test_shapes_that_do_not_fit_are_errors() -> None:
    with pytest.raises(StatesUnfit, match=r"\(2, 3, 8\).*\(2, 4\)"):
        head()(drawn(1, 2, 3, 8), torch.ones(2, 4))
    with pytest.raises(StatesUnfit, match=r"\(2, 8\)"):
        pooled(drawn(1, 2, 8), torch.ones(2), "mean")
    with pytest.raises(StatesUnfit, match="dimension 8"):
        head()(drawn(1, 2, 3, 7), torch.ones(2, 3))


def test_an_unknown_pooling_names_the_known_ones_and_empty_sizes_are_errors() -> None:
    with pytest.raises(ValueError, match=r"'max': one of .*mean"):
        SafetyHead(8, "max")  # type: ignore[arg-type]  # what a wrong caller does
    with pytest.raises(ValueError, match=r"'max': one of .*mean"):
        pooled(drawn(1, 1, 1, 8), torch.ones(1, 1), "max")  # type: ignore[arg-type]  # the same
    with pytest.raises(ValueError, match="hidden size 0"):
        SafetyHead(1, "mean")


CASTS: list[Callable[[nn.Module], nn.Module]] = [
    lambda m: m.to(torch.bfloat16),
    lambda m: m.half(),
    lambda m: m.bfloat16(),
    lambda m: m.double(),
    lambda m: m.to("cpu", torch.float16),
]


@pytest.mark.parametrize("cast", CASTS)
def test_casting_the_model_around_the_head_leaves_its_weights_untouched(cast: Callable[[nn.Module], nn.Module]) -> None:
    judge = head()
    before = judge.arrays()
    around = cast(nn.ModuleDict({"base": nn.Linear(8, 8), "head": judge}))
    assert around["base"].weight.dtype != torch.float32  # type: ignore[index]  # a ModuleDict
    for name, value in judge.arrays().items():
        assert value.dtype == np.float32
        np.testing.assert_array_equal(value, before[name])


def test_the_head_still_moves_between_devices() -> None:
    judge = head().to(device="meta", dtype=torch.bfloat16)
    assert all(p.device.type == "meta" and p.dtype == torch.float32 for p in judge.parameters())
    assert all(p.dtype == torch.float32 for p in judge.to_empty(device="cpu").parameters())


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16, torch.float64])
def test_logits_are_float32_whatever_the_states_are(pooling: Pooling, kind: torch.dtype) -> None:
    states, mask = drawn(1, 2, 300, 8).to(kind), torch.ones(2, 300)
    logits = head(pooling)(states, mask)
    assert logits.dtype == torch.float32
    torch.testing.assert_close(logits, head(pooling)(states.float(), mask))


def test_autocast_does_not_reach_into_the_head() -> None:
    states, mask, judge = drawn(1, 2, 5, 8), torch.ones(2, 5), head()
    with torch.autocast("cpu", torch.bfloat16):
        inside = judge(states, mask)
    assert torch.equal(inside, judge(states, mask))


def test_weights_that_were_replaced_by_narrower_ones_are_an_error() -> None:
    judge = head()
    judge.output.weight.data = judge.output.weight.data.bfloat16()
    with pytest.raises(HeadCast, match="float32"):
        judge(drawn(1, 1, 2, 8), torch.ones(1, 2))


def test_a_stopped_gradient_trains_the_head_and_not_the_base() -> None:
    states = drawn(1, 2, 5, 8).requires_grad_()
    for stopped in (False, True):
        judge = head(stop_gradient=stopped)
        judge(states, torch.ones(2, 5)).square().sum().backward()
        assert all(p.grad is not None and p.grad.any() for p in judge.parameters())
        assert (states.grad is None) == stopped
        states.grad = None


def test_dropout_acts_while_training_only() -> None:
    states, mask, judge = drawn(1, 2, 5, 8), torch.ones(2, 5), head(dropout=0.5)
    assert torch.equal(judge(states, mask), judge(states, mask))
    judge.train()
    assert not torch.equal(judge(states, mask), judge(states, mask))


@pytest.mark.parametrize("pooling", POOLINGS)
def test_the_gate_loads_the_weights_and_gives_the_same_probabilities(pooling: Pooling, tmp_path: Path) -> None:
    judge = head(pooling)
    about: dict[str, Any] = {"backbone": "b", "training_data": "0" * 64, "metrics": {}, "pooling": pooling}
    loaded = save(tmp_path, judge.arrays(), temperature=1.0, thresholds=Thresholds(0.5, 0.5), **about)
    states, mask = drawn(1, 6, 5, 8), torch.ones(6, 5)
    vectors = pooled(states, mask, pooling)
    expected = judge(states, mask).softmax(-1).detach().numpy()
    np.testing.assert_allclose(loaded.probabilities(vectors.numpy()), expected, rtol=1e-5)
    assert loaded.meta.hidden == 4


def test_on_a_real_model_padding_on_either_side_gives_the_logits_of_the_text_alone() -> None:
    torch.manual_seed(1)
    sizes = {
        "hidden_size": 8,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 16,
        "vocab_size": 30,
    }
    base = AutoModel.from_config(LlamaConfig(**sizes, use_cache=False)).eval()
    ids = torch.randint(1, 30, (1, 5))
    padded, mask = torch.zeros(2, 9, dtype=torch.long), torch.zeros(2, 9, dtype=torch.long)
    padded[0, :5], mask[0, :5], padded[1, 4:], mask[1, 4:] = ids, 1, ids, 1
    places = (mask.cumsum(1) - 1).clamp(min=0)  # rotary positions count from the text's first token
    for pooling in POOLINGS:
        judge = head(pooling)
        alone = judge(base(ids).last_hidden_state, torch.ones(1, 5))
        states = base(padded, attention_mask=mask, position_ids=places).last_hidden_state
        torch.testing.assert_close(judge(states, mask), alone.repeat(2, 1), rtol=1e-4, atol=1e-5)
