"""What GPU memory a training step of a recipe needs, from the model's config.json alone: no weights, no GPU.

The model is built on shapes (shape_model.py) and one step is run on them (shape_step.py), so weights, kept activations
and working memory are counted, not guessed, for any architecture that transformers knows. Only the optimizer's state is
a formula, and CONTEXT an assumption. What cannot be seen: memory that an operator needs inside itself.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from math import ceil
from typing import Any

from torch._subclasses.fake_tensor import FakeTensorMode
from transformers import PretrainedConfig

from so8t.training import base as bases
from so8t.training import shape_bytes, shape_model, shape_step
from so8t.training.model import Judging
from so8t.training.recipe import Recipe

CONTEXT = 768 * 2**20  # bytes; CUDA's context, cuBLAS' workspaces, what the allocator holds unused: assumed
CARD = 12 * 2**30  # bytes; what "12 GB" is sold as
GIB = 2**30


class EstimateError(Exception):
    """The root of this module's errors."""


class ArchitectureUnsupported(EstimateError):
    """No such model can be built and run on shapes. The message says why."""


class SequenceTooLong(EstimateError):
    """The model has no position for the last token."""


@dataclass(frozen=True, slots=True)
class Item:
    """One line: what takes memory, how much, what it is made of, and what makes it smaller ("": nothing here)."""

    name: str
    bytes: int
    made_of: str
    lower: str = ""


@dataclass(frozen=True, slots=True)
class Estimate:
    """The peak of a step. Its lines add up to it."""

    model: str  # the class that transformers would load
    parameters: int  # of the base; one that is used twice counts once
    trained: int  # parameters of adapter and head
    rows: int  # B, of a micro-batch
    tokens: int  # T, the longest row
    items: tuple[Item, ...]

    @property
    def total(self) -> int:
        """Bytes."""
        return sum(item.bytes for item in self.items)

    def hints(self, card: int = CARD) -> tuple[str, ...]:
        """What to change so that it fits a card of `card` bytes, what helps most first; empty where it fits."""
        if self.total <= card:
            return ()
        lines = sorted((item for item in self.items if item.lower), key=lambda item: -item.bytes)
        worth = [item.lower for item in lines if item.bytes > (self.total - card) / 20]
        return tuple(dict.fromkeys(worth)) or ("take a smaller base model",)

    def json(self) -> dict[str, Any]:
        """All fields, the total, and hints for a 12 GB card."""
        return asdict(self) | {"total": self.total, "hints_12_gb": list(self.hints())}


def estimate(
    recipe: Recipe, config: PretrainedConfig, *, sequence: int | None = None, learnt: int | None = None
) -> Estimate:
    """Predict the peak of a training step on one GPU.

    Args:
        recipe: what is trained, and how.
        config: of the base model (`AutoConfig.from_pretrained`: only config.json is read).
        sequence: T, tokens of the longest row; None: data.longest.
        learnt: N, tokens of a micro-batch that the language model learns; None: all of as many dialogues as it can
            hold (data/batches.py). Their logits are (N, vocabulary) in float32, several times.

    Raises:
        ArchitectureUnsupported: transformers has no such model, or it cannot run on shapes.
        base.BaseUnsupported: lora.targets do not fit the model.
        SequenceTooLong: more than its max_position_embeddings.
    """
    rows, tokens = recipe.train.micro_batch, sequence or recipe.data.longest
    if learnt is None:
        learnt = ceil(rows * recipe.data.sft_share) * (tokens - 1)
    most = getattr(config.get_text_config(), "max_position_embeddings", None)
    if most is not None and tokens > most:
        raise SequenceTooLong(f"{tokens} tokens, but the model has {most} positions: lower data.longest")
    try:
        base = shape_model.bare(recipe, config)
        name, parameters = type(base).__name__, sum(p.numel() for p in base.parameters())
        judging = shape_model.judging(recipe, base)
        with FakeTensorMode(), _no_log():
            shape_model.to_fake(judging)
            items = (*_standing(recipe, judging), *_passing(recipe, judging, rows, tokens, learnt))
    except bases.BaseError:
        raise
    except Exception as error:  # noqa: BLE001 - a model's code raises anything on shapes that it was not made for
        kind = getattr(config, "model_type", "") or type(config).__name__
        raise ArchitectureUnsupported(
            f"a model of type {kind!r} cannot be estimated as {recipe.model.kind}: {_line(error)}"
        ) from None
    trained = sum(p.numel() for p in judging.parameters() if p.requires_grad)
    cuda = Item("CUDA", CONTEXT, "context, workspaces, memory held unused: assumed")
    return Estimate(name, parameters, trained, rows, tokens, (*items, cuda))


def table(found: Estimate, card: int = CARD) -> str:
    """For the terminal: a line for each item, the largest first, the total, and whether it fits."""
    head = f"{found.model}, {found.parameters:,} parameters, {found.trained:,} trained with the head"
    lines = [
        f"{item.name:<18} {item.bytes / GIB:7.2f} GiB {item.bytes / found.total:5.0%}  {item.made_of}"
        for item in sorted(found.items, key=lambda item: -item.bytes)
        if item.bytes
    ]
    lines += [f"{'peak':<18} {found.total / GIB:7.2f} GiB"]
    hints = found.hints(card)
    fits = f"It does not fit {card / GIB:g} GiB:" if hints else f"It fits {card / GIB:g} GiB."
    return "\n".join([head, "", *lines, "", fits, *(f"  {hint}" for hint in hints)])


def _standing(recipe: Recipe, judging: Judging) -> list[Item]:
    """What is there all the time."""
    weights, kind = shape_bytes.weights(judging), recipe.train.optimizer
    trained = [p for p in judging.parameters() if p.requires_grad]
    smaller = "" if recipe.model.quantisation == "nf4" else 'set model.quantisation = "nf4"'
    paged = "" if kind == "paged_adamw_8bit" else 'set train.optimizer = "paged_adamw_8bit"'
    rank = "lower lora.r" if recipe.lora.r else ""
    dtype = next(str(p.dtype).removeprefix("torch.") for p in judging.base.parameters() if p.is_floating_point())
    return [
        Item("base, NF4", weights.packed, "4 bits a weight, and scales quantised twice"),
        Item("base, whole", weights.whole, f"{dtype}: what is not quantised (embeddings, norms, LM head)", smaller),
        Item("adapter", weights.adapter, f"LoRA, r = {recipe.lora.r}", rank),
        Item("head", weights.head, "D x D/2 and D/2 x 3, float32"),
        Item("gradients", shape_bytes.size(trained), "of adapter and head", rank),
        Item("optimizer", shape_bytes.optimizer(trained, kind), kind, paged or rank),
    ]


def _passing(recipe: Recipe, judging: Judging, rows: int, tokens: int, learnt: int) -> list[Item]:
    """What a step adds. Its largest phase counts: what is kept for backward, and the working memory on top of it."""
    bf16 = recipe.train.precision == "bf16"
    checkpointing = recipe.train.gradient_checkpointing and recipe.lora.r > 0  # see base.py
    plain = shape_step.run(judging, rows, tokens, learnt, bf16=bf16, pet=False)
    pet = shape_step.run(judging, rows, tokens, learnt, bf16=bf16, pet=True) if recipe.pet.strength else plain
    phases = {"base's forward": plain.forward, "head and logits": plain.learnt, "base's backward": plain.backward}
    peak, phase = max((most, name) for name, most in phases.items())
    others = ", ".join(f"{name} {most / GIB:.2f}" for name, most in phases.items() if name != phase)
    shorter = "lower data.longest" + (", or train.micro_batch with more train.accumulation" if rows > 1 else "")
    kept = "block inputs" if checkpointing else "of all blocks"
    smaller = shorter if checkpointing or not recipe.lora.r else "set train.gradient_checkpointing = true"
    return [
        Item("activations", plain.kept, f"{kept}, kept for backward; {rows} x {tokens} tokens", smaller),
        Item("working memory", peak - plain.kept, f"{phase}, {learnt} learnt; at other times: {others}", shorter),
        Item("PET", max(0, max(pet.forward, pet.learnt, pet.backward) - peak), "what it adds to the peak"),
    ]


@contextmanager
def _no_log() -> Iterator[None]:
    """torch writes a traceback of its own before it raises."""
    log = logging.getLogger("torch._subclasses.fake_tensor")
    was, log.disabled = log.disabled, True
    try:
        yield
    finally:
        log.disabled = was


def _line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
