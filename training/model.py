"""The model under training: an unmodified base, and the head on its last hidden state. Its forward gives the loss."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from peft import PeftModel
from torch import Tensor, nn

from so8t.training.losses import Coefficients, Terms, compose, learnt, safety_terms, token_loss
from so8t.training.pet import Pet
from so8t.training.safety_head import SafetyHead


class Judging(nn.Module):
    """Base and head. What the base is asked for are its own modules: nothing in it is replaced."""

    def __init__(self, base: nn.Module, head: SafetyHead, coefficients: Coefficients, *, causal: bool) -> None:
        super().__init__()
        self.base = base
        self.head = head
        self.coefficients = coefficients
        self.lambda_pet = 0.0  # set before each step
        self.terms: Terms | None = None  # of the last forward with targets
        self.gradient = 0.0  # its norm before clipping, at the last step
        self._causal = causal
        self._pet: Pet | None = None

    @contextmanager
    def watched(self) -> Iterator[None]:
        """PET sees the base's blocks until the end of the `with`."""
        with Pet(self.base) as pet:
            self._pet = pet
            try:
                yield
            finally:
                self._pet = None

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        labels: Tensor | None = None,
        target: Tensor | None = None,
        weight: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """(B, T) ids, mask and labels, (B,) target and weight -> {"loss": scalar, "logits": (B, 3)}.

        Without labels, target and weight: the logits alone.
        """
        if labels is None or target is None or weight is None:
            return {"logits": self.head(self.states(input_ids, attention_mask), attention_mask)}
        watching = self._pet is not None and self.lambda_pet > 0
        if watching and self._pet is not None:
            self._pet.watch(attention_mask)
        states = self.states(input_ids, attention_mask)  # (B, T, D)
        pet = self._pet.loss() if watching and self._pet is not None else None
        logits: Tensor = self.head(states, attention_mask)  # (B, 3)
        safety = safety_terms(logits, target, weight)
        self.terms = compose(self.coefficients, safety, self._sft(states, labels), pet, self.lambda_pet)
        return {"loss": self.terms.total, "logits": logits}

    def states(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """The base's last hidden state, after its final norm, (B, T, D)."""
        inner: Any = _unwrapped(self.base)
        body: Any = inner.base_model if self._causal else inner  # the language model without its LM head
        states: Tensor = body(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        return states

    def _sft(self, states: Tensor, labels: Tensor) -> Tensor | None:
        """L_SFT through the base's own LM head, whose logits are made for the learnt tokens only."""
        if not self._causal:
            return None
        kept, tokens = learnt(states, labels)  # (N, D), (N,)
        if not len(tokens):
            return None  # the LM head would be copied for nothing
        inner: Any = _unwrapped(self.base)
        return token_loss(inner.get_output_embeddings()(kept), tokens)


def trained(model: nn.Module) -> dict[str, Tensor]:
    """The parameters that are trained, by name: all that a checkpoint needs."""
    return {name: p.detach().cpu() for name, p in model.named_parameters() if p.requires_grad}


@torch.no_grad()
def logits_of(model: nn.Module, batches: Any) -> Tensor:
    """(W, 3): the head's logits for every row of the batches, in their order. `model`: a Judging, wrapped or not."""
    was_training = model.training
    model.eval()
    device = next(model.parameters()).device
    found = []
    for batch in batches:
        ids, mask = batch["input_ids"].to(device), batch["attention_mask"].to(device)
        found.append(model(ids, mask)["logits"].float().cpu())
    model.train(was_training)
    return torch.cat(found)


def _unwrapped(base: nn.Module) -> nn.Module:
    return base.get_base_model() if isinstance(base, PeftModel) else base
