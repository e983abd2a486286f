"""The composite loss: L_SFT + alpha L_safety + beta L_penalty - gamma L_esc + lambda L_PET."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own name for it
from torch import Tensor

IGNORED = -100  # a label or target that counts nowhere
ALLOW, ESCALATE, REFUSE, UNSAFE = range(4)  # UNSAFE: one of the two before it, nobody says which
RANGES = {"alpha": (2.0, 5.0), "beta": (5.0, 10.0), "gamma": (1.0, 2.0)}


class LossError(Exception):
    """The root of this module's errors."""


class CoefficientUnusual(LossError, ValueError):
    """A coefficient outside its range. The message gives the range."""


class TargetUnknown(LossError):
    """A target that is neither 0..3 nor -100."""


class ShapesUnfit(LossError):
    """Two tensors that belong together have different shapes. The message gives both."""


@dataclass(frozen=True, slots=True)
class Coefficients:
    """The weights of the safety terms.

    Args:
        alpha: of L_safety.
        beta: of L_penalty.
        gamma: of L_esc.
        unusual: values outside RANGES are meant: anything finite from 0 on. 0 leaves a term out.

    Raises:
        CoefficientUnusual: a value outside its range.
    """

    alpha: float = 2.0
    beta: float = 5.0
    gamma: float = 1.0
    unusual: bool = False

    def __post_init__(self) -> None:
        for name, (low, high) in RANGES.items():
            value: float = getattr(self, name)
            if not math.isfinite(value) or value < 0:
                raise CoefficientUnusual(f"{name} is {value}, it must be a number from 0 on")
            if not self.unusual and not low <= value <= high:
                hint = "set unusual = true if it is meant"
                raise CoefficientUnusual(f"{name} is {value}, its range is {low:g} to {high:g}: {hint}")


@dataclass(frozen=True, slots=True)
class SafetyTerms:
    """The three terms that the head gives, scalars with a graph; 0 where no row of the batch counts."""

    safety: Tensor
    penalty: Tensor
    escalate: Tensor


@dataclass(frozen=True, slots=True)
class Terms:
    """One batch's loss. `raw` and `weighted` hold detached scalars by the names sft, safety, penalty, escalate, pet."""

    total: Tensor  # with a graph: the sum of the weighted terms
    raw: Mapping[str, Tensor]
    weighted: Mapping[str, Tensor]

    @property
    def shares(self) -> dict[str, float]:
        """Each term's part of the sum of absolute weighted values; all 0 where that sum is 0."""
        sizes = {name: abs(float(value)) for name, value in self.weighted.items()}
        whole = sum(sizes.values())
        return {name: size / whole if whole else 0.0 for name, size in sizes.items()}


def safety_terms(logits: Tensor, target: Tensor, weight: Tensor) -> SafetyTerms:
    """L_safety, L_penalty and L_esc of one batch, in float32 or better.

    L_safety: mean over the labelled rows of weight times cross-entropy. It is divided by their number, not by the sum
    of their weights: in micro-batches of 2 that would cancel the weights. UNSAFE asks for "not ALLOW" alone.
    L_penalty: mean over the REFUSE rows of p(ALLOW). L_esc: mean over the ESCALATE rows of p(ESCALATE).

    Args:
        logits: (B, 3).
        target: (B,) int64: 0 ALLOW, 1 ESCALATE, 2 REFUSE, 3 UNSAFE, -100 none.
        weight: (B,), of the row's class.

    Raises:
        TargetUnknown, ShapesUnfit.
    """
    if logits.ndim != 2 or logits.shape[1] != 3 or not target.shape == weight.shape == logits.shape[:1]:
        shapes = ", ".join(str(tuple(x.shape)) for x in (logits, target, weight))
        raise ShapesUnfit(f"logits, target and weight are {shapes}, not (B, 3), (B,), (B,)")
    known = target != IGNORED  # (B,)
    target = target[known]  # (N,)
    if bool(((target < ALLOW) | (target > UNSAFE)).any()):
        raise TargetUnknown(
            f"targets {sorted(set(target.tolist()) - set(range(4)))}: only 0 to 3 and {IGNORED} are known"
        )
    logs = F.log_softmax(logits[known].to(torch.promote_types(logits.dtype, torch.float32)), -1)  # (N, 3)
    unsafe = torch.logsumexp(logs[:, ESCALATE:], -1, keepdim=True)  # (N, 1), log p(not ALLOW)
    picked = torch.cat([logs, unsafe], -1).gather(1, target[:, None]).squeeze(1)  # (N,)
    p = logs.exp()  # (N, 3)
    return SafetyTerms(
        safety=_mean(-picked * weight[known].to(picked.dtype)),
        penalty=_mean(p[target == REFUSE, ALLOW]),
        escalate=_mean(p[target == ESCALATE, ESCALATE]),
    )


def learnt(values: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """What stands where the next token is learnt, and those tokens: position t predicts label t + 1.

    Args:
        values: (B, T, X): logits; or hidden states, so that the vocabulary's logits are only made where they count.
        labels: (B, T) int64, -100: not learnt.

    Returns:
        (N, X) and (N,).

    Raises:
        ShapesUnfit.
    """
    if values.ndim != 3 or values.shape[:2] != labels.shape:
        raise ShapesUnfit(f"{tuple(values.shape)} with labels {tuple(labels.shape)}: not (B, T, X) and (B, T)")
    kept = labels[:, 1:] != IGNORED  # (B, T-1)
    return values[:, :-1][kept], labels[:, 1:][kept]


def sft_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """L_SFT: cross-entropy summed over the learnt tokens, divided by their number; 0 with a graph where there is none.

    Takes (B, T, V) logits of any float type and (B, T) labels, not shifted. Computed in float32 or better, for the
    learnt tokens only. Raises ShapesUnfit.
    """
    return token_loss(*learnt(logits, labels))


def token_loss(logits: Tensor, tokens: Tensor) -> Tensor:
    """The same of (N, V) logits and the (N,) tokens that they predict; N may be 0."""
    wide = logits.to(torch.promote_types(logits.dtype, torch.float32))
    return F.cross_entropy(wide, tokens, reduction="sum") / max(len(tokens), 1)


def compose(
    coefficients: Coefficients,
    safety: SafetyTerms,
    sft: Tensor | None = None,
    pet: Tensor | None = None,
    lambda_pet: float = 0.0,
) -> Terms:
    """The sum, and what each term adds to it. A term that is None is 0: an encoder has no SFT, a run may have no PET.

    Raises:
        ValueError: lambda_pet is negative or not finite.
    """
    if not math.isfinite(lambda_pet) or lambda_pet < 0:
        raise ValueError(f"lambda_pet is {lambda_pet}, it must be a number from 0 on")
    none = torch.zeros_like(safety.safety)
    terms = {
        "sft": (1.0, none if sft is None else sft),
        "safety": (coefficients.alpha, safety.safety),
        "penalty": (coefficients.beta, safety.penalty),
        "escalate": (-coefficients.gamma, safety.escalate),
        "pet": (lambda_pet, none if pet is None else pet),
    }
    weighted = {name: factor * value for name, (factor, value) in terms.items()}
    total = torch.stack([value.to(none) for value in weighted.values()]).sum()
    raw = {name: value.detach() for name, (_, value) in terms.items()}
    return Terms(total, raw, {name: value.detach() for name, value in weighted.items()})


def _mean(values: Tensor) -> Tensor:
    """(N,) -> scalar: 0 with a graph where N is 0."""
    return values.sum() / max(values.numel(), 1)
