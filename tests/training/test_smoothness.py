"""PET's term of one block: against its definition, finite differences, and what must not matter."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from so8t.training import smoothness as module
from so8t.training.smoothness import StatesChanged, StatesUnfit, smoothness


def by_definition(states: Tensor, mask: Tensor) -> Tensor:
    """The sentence of the design as loops, with autograd's own derivatives."""
    squares = [states[b, t] for b, t in mask.nonzero().tolist()]
    size = torch.stack(squares).square().mean()
    bends = [
        (states[b, t] - 2 * states[b, t + 1] + states[b, t + 2]).square().sum()
        for b in range(mask.shape[0])
        for t in range(mask.shape[1] - 2)
        if bool(mask[b, t : t + 3].all())
    ]
    return torch.stack(bends).mean() / states.shape[2] / size


def drawn(seed: int, *shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


@st.composite
def masks(draw: st.DrawFn) -> Tensor:
    """(B, T) bool: padding left, right or in the middle."""
    width = draw(st.integers(1, 9))
    rows = draw(st.lists(st.lists(st.booleans(), min_size=width, max_size=width), min_size=1, max_size=4))
    return torch.tensor(rows)


def triples(mask: Tensor) -> int:
    return int((mask[:, :-2] & mask[:, 1:-1] & mask[:, 2:]).sum())


@given(masks(), st.integers(0, 99), st.integers(1, 5))
def test_value_and_gradient_are_those_of_the_definition(mask: Tensor, seed: int, width: int) -> None:
    states = drawn(seed, *mask.shape, width).requires_grad_()
    value = smoothness(states, mask)
    (got,) = torch.autograd.grad(value, states)
    if not triples(mask):
        assert value.item() == 0
        assert not got.any()
        return
    expected = by_definition(states, mask)
    torch.testing.assert_close(value, expected)
    torch.testing.assert_close(got, torch.autograd.grad(expected, states)[0], rtol=1e-6, atol=1e-9)


@settings(max_examples=25)
@given(masks().filter(lambda mask: bool(mask.any())), st.integers(0, 99))
def test_the_gradient_is_that_of_finite_differences(mask: Tensor, seed: int) -> None:
    states = drawn(seed, *mask.shape, 3).requires_grad_()
    assert torch.autograd.gradcheck(lambda h: smoothness(h, mask), (states,))


@given(masks(), st.integers(0, 99), st.sampled_from([float("nan"), float("inf"), 1e30]))
def test_what_stands_in_the_padding_changes_neither_value_nor_gradient(mask: Tensor, seed: int, junk: float) -> None:
    clean = drawn(seed, *mask.shape, 3)
    dirty = clean.masked_fill(~mask.unsqueeze(-1), junk).requires_grad_()
    clean.requires_grad_()
    first, second = smoothness(clean, mask), smoothness(dirty, mask)
    assert torch.equal(first, second)
    (one,), (other,) = torch.autograd.grad(first, clean), torch.autograd.grad(second, dirty)
    assert torch.equal(one, other)
    assert not one[~mask].any()


def test_more_padding_on_either_side_changes_nothing() -> None:
    states, mask = drawn(1, 2, 5, 4), torch.ones(2, 5)
    wider, longer = torch.zeros(2, 9, 4).double(), torch.zeros(2, 9)
    wider[0, 4:], longer[0, 4:], wider[1, :5], longer[1, :5] = states[0], 1, states[1], 1
    torch.testing.assert_close(smoothness(wider, longer), smoothness(states, mask))


def test_the_scale_of_the_states_does_not_matter_and_the_gradient_does_not_touch_it() -> None:
    states, mask = drawn(2, 2, 7, 4).requires_grad_(), torch.ones(2, 7)
    torch.testing.assert_close(smoothness(1000 * states, mask), smoothness(states, mask))
    (gradient,) = torch.autograd.grad(smoothness(states, mask), states)
    assert abs((gradient * states).sum().item()) < 1e-9
    assert gradient.abs().sum().item() > 0.1


def test_independent_random_tokens_give_6_and_even_change_gives_0() -> None:
    assert smoothness(drawn(3, 4, 500, 64), torch.ones(4, 500)).item() == pytest.approx(6, rel=0.02)
    even = torch.arange(6).double()[None, :, None] * drawn(4, 1, 1, 3) + drawn(5, 1, 1, 3)
    assert smoothness(even, torch.ones(1, 6)).item() == pytest.approx(0, abs=1e-20)


def test_states_of_zeros_are_finite() -> None:
    states = torch.zeros(1, 4, 2, requires_grad=True)
    value = smoothness(states, torch.ones(1, 4))
    assert value.item() == 0
    assert not torch.autograd.grad(value, states)[0].any()


def test_many_slices_give_what_one_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    states, mask = drawn(6, 7, 5, 3).requires_grad_(), torch.ones(7, 5)
    whole = smoothness(states, mask)
    (expected,) = torch.autograd.grad(whole, states)
    monkeypatch.setattr(module, "SLICE", 2 * 5 * 3)
    value = smoothness(states, mask)
    torch.testing.assert_close(value, whole)
    torch.testing.assert_close(torch.autograd.grad(value, states)[0], expected)


def test_bfloat16_states_are_computed_in_float32() -> None:
    states, mask = drawn(7, 4, 300, 32, dtype=torch.bfloat16).requires_grad_(), torch.ones(4, 300)
    value = smoothness(states, mask)
    assert value.dtype == torch.float32
    wide = states.detach().double().requires_grad_()
    exact = smoothness(wide, mask)
    assert value.item() == pytest.approx(exact.item(), rel=1e-5)
    (got,), (expected,) = torch.autograd.grad(value, states), torch.autograd.grad(exact, wide)
    assert got.dtype == torch.bfloat16
    torch.testing.assert_close(got.double(), expected, rtol=2**-8, atol=1e-9)  # half a unit in the last place


def test_backward_twice_gives_the_same_gradient() -> None:
    states = drawn(8, 1, 6, 2).requires_grad_()
    value = smoothness(states, torch.ones(1, 6))
    first = torch.autograd.grad(value, states, retain_graph=True)[0]
    assert torch.equal(first, torch.autograd.grad(value, states)[0])


def test_states_that_change_in_place_before_backward_are_an_error() -> None:
    start = drawn(9, 1, 6, 2).requires_grad_()
    states = start + 0
    value = smoothness(states, torch.ones(1, 6))
    states += 1
    with pytest.raises(StatesChanged, match="in place"):
        value.backward()


@pytest.mark.parametrize("mask", [torch.ones(2, 4), torch.ones(2), torch.ones(2, 5, 3)])
def test_a_mask_of_another_shape_is_an_error(mask: Tensor) -> None:
    with pytest.raises(StatesUnfit, match=r"\(2, 5, 3\)"):
        smoothness(drawn(1, 2, 5, 3), mask)
