"""The network of so8t-mini, its optimisers and its loss."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from so8t.training.mini.batches import Batch


@dataclass(frozen=True)
class Plan:
    """Everything that decides what a run does."""

    minutes: float
    seed: int = 8
    hidden: int = 256
    layers: int = 6
    heads: int = 8
    kv_heads: int = 4
    feed_forward: int = 768
    batch_tokens: int = 4096
    matrix_rate: float = 0.02
    other_rate: float = 3e-3
    weight_decay: float = 0.02
    warm_up: float = 0.02
    evaluate_every: float = 27.0
    save_every: float = 4.0


def build(plan: Plan, vocabulary: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    """A new Llama with tied embeddings and grouped queries."""
    torch.manual_seed(plan.seed)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(vocabulary),
            hidden_size=plan.hidden,
            num_hidden_layers=plan.layers,
            num_attention_heads=plan.heads,
            num_key_value_heads=plan.kv_heads,
            intermediate_size=plan.feed_forward,
            max_position_embeddings=2048,
            tie_word_embeddings=True,
            rms_norm_eps=1e-5,
            pad_token_id=vocabulary.pad_token_id,
            bos_token_id=None,
            eos_token_id=vocabulary.eos_token_id,
            # 1.5 times as fast here: fused attention has a slow backward pass on the CPU
            attn_implementation="eager",  # type: ignore[call-arg]  # taken by the base class
        )
    )


def optimizers(model: LlamaForCausalLM, plan: Plan) -> list[torch.optim.Optimizer]:
    """Muon for the matrices of the blocks; AdamW for embeddings and norms."""
    matrices = [p for name, p in model.named_parameters() if p.ndim == 2 and ".layers." in name]
    rest = [p for name, p in model.named_parameters() if not (p.ndim == 2 and ".layers." in name)]
    return [
        torch.optim.Muon(matrices, lr=plan.matrix_rate, weight_decay=plan.weight_decay),
        torch.optim.AdamW(rest, lr=plan.other_rate, betas=(0.9, 0.95), weight_decay=0.0),
    ]


def rate(done: float, plan: Plan) -> float:
    """The factor on the learning rates when the share `done` of the time is over: a short rise, then half a cosine."""
    if done < plan.warm_up:
        return max(done / plan.warm_up, 0.01)
    return max(0.01, 0.5 * (1 + math.cos(math.pi * min(1.0, (done - plan.warm_up) / (1 - plan.warm_up)))))


def loss_of(model: LlamaForCausalLM, batch: Batch) -> torch.Tensor:
    """Mean cross-entropy over the assistant's tokens; logits are made for these alone."""
    with torch.autocast("cpu", torch.bfloat16):
        states = model.model(input_ids=batch.ids).last_hidden_state  # (B, T, D)
        logits = model.lm_head(states.flatten(0, 1)[batch.at])  # (N, V)
    return torch.nn.functional.cross_entropy(logits.float(), batch.targets)
