"""The composite loss against its definition, finite differences, and the rows that must not count."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - torch's own name for it
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from torch import Tensor
from transformers import AutoModelForCausalLM, LlamaConfig

from so8t.training.losses import (
    Coefficients,
    CoefficientUnusual,
    SafetyTerms,
    ShapesUnfit,
    TargetUnknown,
    Terms,
    compose,
    learnt,
    safety_terms,
    sft_loss,
    token_loss,
)

NAMES = ["sft", "safety", "penalty", "escalate", "pet"]
targets = st.lists(st.sampled_from([0, 1, 2, 3, -100]), min_size=1, max_size=7)


def drawn(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def terms_of(logits: Tensor, target: list[int]) -> tuple[Tensor, Tensor, Tensor]:
    found = safety_terms(logits, torch.tensor(target), torch.ones(len(target)))
    return found.safety, found.penalty, found.escalate


@given(targets, st.integers(0, 99))
def test_the_terms_are_those_of_the_definition(target: list[int], seed: int) -> None:
    logits, weight = drawn(seed, len(target), 3), drawn(seed + 1, len(target)).abs()
    p = logits.softmax(-1).tolist()
    costs, fines, waits = [], [], []
    for row, (wanted, w) in enumerate(zip(target, weight.tolist(), strict=True)):
        allow, escalate, refuse = p[row]
        if wanted != -100:
            costs.append(-w * math.log([allow, escalate, refuse, escalate + refuse][wanted]))
        if wanted == 2:
            fines.append(allow)
        if wanted == 1:
            waits.append(escalate)
    found = safety_terms(logits, torch.tensor(target), weight)
    for got, values in ((found.safety, costs), (found.penalty, fines), (found.escalate, waits)):
        assert got.item() == pytest.approx(sum(values) / max(len(values), 1), abs=1e-12)


@settings(max_examples=25)
@given(targets, st.integers(0, 99))
def test_every_term_has_the_gradient_of_finite_differences(target: list[int], seed: int) -> None:
    logits = drawn(seed, len(target), 3).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: terms_of(x, target), (logits,))


@given(targets, st.integers(0, 99))
def test_rows_without_a_target_count_nowhere(target: list[int], seed: int) -> None:
    logits = drawn(seed, len(target) + 2, 3).requires_grad_()
    with_them = terms_of(logits, [-100, *target, -100])
    for got, expected in zip(with_them, terms_of(logits[1:-1], target), strict=True):
        torch.testing.assert_close(got, expected)
    (gradient,) = torch.autograd.grad(torch.stack(with_them).sum(), logits)
    assert not gradient[[0, -1]].any()


@pytest.mark.parametrize("target", [[0, 0], [3, 0], [-100, -100], []])
def test_a_batch_without_refuse_and_escalate_rows_gives_0_for_those_terms_and_no_nan(target: list[int]) -> None:
    logits = drawn(1, len(target), 3).requires_grad_()
    terms = terms_of(logits, target)
    assert terms[1].item() == terms[2].item() == 0
    (gradient,) = torch.autograd.grad(torch.stack(terms).sum(), logits)
    assert torch.isfinite(gradient).all()
    assert bool(gradient.any()) == any(t >= 0 for t in target)


def test_unsafe_asks_for_not_allow_and_leaves_open_which() -> None:
    logits = torch.tensor([[0.0, 1.0, 2.0]], dtype=torch.float64, requires_grad=True)
    safety, *_ = terms_of(logits, [3])
    (gradient,) = torch.autograd.grad(safety, logits)
    p = logits.softmax(-1).detach()
    assert safety.item() == pytest.approx(-math.log(1 - p[0, 0].item()))
    assert gradient[0, 0] > 0
    torch.testing.assert_close(gradient[0, 1] / gradient[0, 2], p[0, 1] / p[0, 2])  # their ratio is left as it is


def test_extreme_logits_stay_finite() -> None:
    logits = torch.tensor([[1e4, 0, -1e4], [1e4, 0, -1e4], [-1e4, 0, 1e4]], requires_grad=True)
    terms = terms_of(logits, [2, 3, 1])
    (gradient,) = torch.autograd.grad(torch.stack(terms).sum(), logits)
    assert all(torch.isfinite(x).all() for x in (*terms, gradient))


def test_a_weight_counts_also_where_a_batch_holds_one_class_alone() -> None:
    logits, target = drawn(1, 2, 3), torch.tensor([2, 2])
    once = safety_terms(logits, target, torch.ones(2))
    twice = safety_terms(logits, target, torch.full((2,), 2.0))
    torch.testing.assert_close(twice.safety, 2 * once.safety)
    assert torch.equal(twice.penalty, once.penalty)


@pytest.mark.parametrize("bad", [4, -1, 100])
def test_an_unknown_target_is_an_error(bad: int) -> None:
    with pytest.raises(TargetUnknown, match=str(bad)):
        terms_of(drawn(1, 2, 3), [0, bad])


@pytest.mark.parametrize(("rows", "classes", "labels"), [(2, 3, 3), (2, 4, 2), (3, 3, 2)])
def test_shapes_that_do_not_fit_are_errors(rows: int, classes: int, labels: int) -> None:
    with pytest.raises(ShapesUnfit, match=rf"\({rows}, {classes}\), \({labels},\)"):
        terms_of(drawn(1, rows, classes), [0] * labels)


def labelled(seed: int) -> Tensor:
    labels = torch.randint(0, 11, (3, 7), generator=torch.Generator().manual_seed(seed))
    return labels.masked_fill(drawn(seed, 3, 7) > 0.5, -100)


@given(st.integers(0, 99))
def test_sft_is_the_mean_cross_entropy_of_the_next_token(seed: int) -> None:
    logits, labels = drawn(seed, 3, 7, 11), labelled(seed)
    costs = [
        -logits[b, t].log_softmax(-1)[labels[b, t + 1]] for b in range(3) for t in range(6) if labels[b, t + 1] != -100
    ]
    torch.testing.assert_close(sft_loss(logits, labels), torch.stack(costs).mean())


def test_sft_is_what_transformers_computes() -> None:
    torch.manual_seed(1)
    sizes = {
        "hidden_size": 8,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 16,
        "vocab_size": 11,
    }
    model = AutoModelForCausalLM.from_config(LlamaConfig(**sizes, use_cache=False)).eval()
    labels = labelled(3)
    out = model(input_ids=labels.clamp(min=0), labels=labels)
    torch.testing.assert_close(sft_loss(out.logits, labels), out.loss)
    states = model.model(input_ids=labels.clamp(min=0)).last_hidden_state
    kept, wanted = learnt(states, labels)  # the vocabulary's logits made only where they count
    torch.testing.assert_close(token_loss(model.lm_head(kept), wanted), out.loss)


def test_sft_has_the_gradient_of_finite_differences_and_none_where_nothing_is_learnt() -> None:
    logits, labels = drawn(2, 3, 7, 11).requires_grad_(), labelled(2)
    assert torch.autograd.gradcheck(lambda x: sft_loss(x, labels), (logits,))
    (gradient,) = torch.autograd.grad(sft_loss(logits, labels), logits)
    assert not gradient[:, -1].any()
    assert not gradient[:, :-1][labels[:, 1:] == -100].any()


def test_a_batch_without_learnt_tokens_gives_0_with_a_graph() -> None:
    logits = drawn(1, 2, 4, 5).requires_grad_()
    labels = torch.full((2, 4), -100)
    labels[:, 0] = 3  # nothing comes before the first token
    loss = sft_loss(logits, labels)
    assert loss.item() == 0
    assert not torch.autograd.grad(loss, logits)[0].any()


def test_bfloat16_logits_are_computed_in_float32() -> None:
    logits, labels = drawn(4, 3, 7, 11).bfloat16(), labelled(4)
    assert sft_loss(logits, labels).dtype == torch.float32
    torch.testing.assert_close(sft_loss(logits, labels), sft_loss(logits.float(), labels))
    assert terms_of(logits[0, :, :3], [0, 1, 2, 3, 0, 1, 2])[0].dtype == torch.float32


def test_labels_of_another_shape_are_an_error() -> None:
    with pytest.raises(ShapesUnfit, match=r"\(2, 4, 5\).*\(2, 5\)"):
        sft_loss(drawn(1, 2, 4, 5), torch.zeros(2, 5, dtype=torch.long))


def composed(coefficients: Coefficients | None = None, **options: Any) -> Terms:
    safety = SafetyTerms(*(torch.tensor(x, requires_grad=True) for x in (0.8, 0.3, 0.5)))
    return compose(coefficients or Coefficients(), safety, **options)


def test_the_sum_is_that_of_the_design_with_its_signs() -> None:
    terms = composed(Coefficients(3, 6, 1.5), sft=torch.tensor(2.0), pet=torch.tensor(4.0), lambda_pet=0.15)
    assert terms.total.item() == pytest.approx(2.0 + 3 * 0.8 + 6 * 0.3 - 1.5 * 0.5 + 0.15 * 4.0)
    assert list(terms.raw) == list(terms.weighted) == NAMES
    assert [round(v.item(), 4) for v in terms.raw.values()] == [2.0, 0.8, 0.3, 0.5, 4.0]
    assert [round(v.item(), 4) for v in terms.weighted.values()] == [2.0, 2.4, 1.8, -0.75, 0.6]
    assert not any(v.requires_grad for v in [*terms.raw.values(), *terms.weighted.values()])


@given(st.integers(0, 99))
def test_the_total_has_the_gradient_of_finite_differences_in_every_term(seed: int) -> None:
    values = [x.requires_grad_() for x in drawn(seed, 5).unbind()]

    def total(sft: Tensor, a: Tensor, b: Tensor, c: Tensor, pet: Tensor) -> Tensor:
        return compose(Coefficients(), SafetyTerms(a, b, c), sft, pet, 0.2).total

    assert torch.autograd.gradcheck(total, values)
    found = torch.autograd.grad(total(*values), values)
    assert [g.item() for g in found] == pytest.approx([1, 2, 5, -1, 0.2])


def test_shares_are_of_the_absolute_weighted_values_and_sum_to_1() -> None:
    shares = composed(sft=torch.tensor(1.0), pet=torch.tensor(5.0), lambda_pet=0.2).shares
    assert sum(shares.values()) == pytest.approx(1)
    whole = 1.0 + 2 * 0.8 + 5 * 0.3 + 0.5 + 1.0
    assert shares["escalate"] == pytest.approx(0.5 / whole)
    assert shares["pet"] == pytest.approx(1.0 / whole)


def test_terms_that_a_run_does_not_have_are_0() -> None:
    terms = composed()
    assert terms.raw["sft"].item() == terms.weighted["pet"].item() == terms.shares["pet"] == 0
    terms.total.backward()


def test_a_batch_in_which_nothing_counts_has_shares_of_0() -> None:
    zero = torch.zeros((), requires_grad=True)
    assert set(compose(Coefficients(), SafetyTerms(zero, zero, zero)).shares.values()) == {0.0}


def test_following_the_total_teaches_the_three_classes() -> None:
    logits = torch.zeros(6, 3, requires_grad=True)
    target = torch.tensor([0, 1, 2, 0, 1, 2])
    optimizer = torch.optim.SGD([logits], lr=1.0)
    for _ in range(50):
        optimizer.zero_grad()
        compose(Coefficients(), safety_terms(logits, target, torch.ones(6))).total.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    assert torch.equal(logits.argmax(-1), target)
    assert F.cross_entropy(logits, target).item() < 0.2


@pytest.mark.parametrize("strength", [-0.1, math.nan, math.inf])
def test_a_pet_strength_that_is_no_number_from_0_on_is_an_error(strength: float) -> None:
    with pytest.raises(ValueError, match="lambda_pet"):
        composed(pet=torch.tensor(1.0), lambda_pet=strength)


OUTSIDE = [("alpha", 1.9, "2 to 5"), ("alpha", 5.1, "2 to 5"), ("beta", 4.0, "5 to 10"), ("gamma", 2.5, "1 to 2")]


@pytest.mark.parametrize(("name", "value", "span"), OUTSIDE)
def test_a_coefficient_outside_its_range_needs_the_flag(name: str, value: float, span: str) -> None:
    with pytest.raises(CoefficientUnusual, match=f"{name} is {value}, its range is {span}.*unusual = true"):
        Coefficients(**{name: value})
    with pytest.raises(ValidationError, match=f"range is {span}"):  # as a recipe reads it
        TypeAdapter(Coefficients).validate_python({name: value})
    assert getattr(Coefficients(**{name: value}, unusual=True), name) == value  # type: ignore[arg-type]  # a float and a flag


@pytest.mark.parametrize("name", ["alpha", "beta", "gamma"])
@pytest.mark.parametrize("value", [-1.0, math.nan, math.inf])
def test_no_flag_allows_a_coefficient_that_is_no_number_from_0_on(name: str, value: float) -> None:
    with pytest.raises(CoefficientUnusual, match="from 0 on"):
        Coefficients(**{name: value}, unusual=True)  # type: ignore[arg-type]  # a float and a flag


def test_a_coefficient_of_0_leaves_its_term_out() -> None:
    terms = composed(Coefficients(2, 0, 0, unusual=True))
    assert terms.total.item() == pytest.approx(1.6)
    assert terms.shares["safety"] == 1
