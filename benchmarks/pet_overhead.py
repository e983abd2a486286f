"""What PET and the safety head cost a training step, in time and memory, as ratios to the same step without them.

    python benchmarks/pet_overhead.py [--rounds 15] [--hidden 512] [--layers 6] [--batch 4] [--tokens 128] [--json]

A random Llama with LoRA (r = 16) learns the next token on one core: forward, loss, backward. The steps compared
alternate within each round; a ratio is that of the quickest of each, in processor time, which other programs disturb
least. Memory is the peak that torch's allocator reports above what was there when the step began, so the weights do not
count. Each is measured with and without gradient checkpointing. PET reads every hidden state a few times while the
model's work grows with the width, so the ratio falls with --hidden. `hooks` does nothing more than `plain`: what it
differs from 1 is the noise. `pet_alone` times PET's arithmetic by itself, where the machine is busy. Asserts nothing.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from torch import Tensor
from torch.profiler import ProfilerActivity, profile
from transformers import LlamaConfig, LlamaForCausalLM

import machine
from so8t.training.losses import Coefficients, compose, safety_terms, sft_loss
from so8t.training.pet import Pet
from so8t.training.safety_head import SafetyHead
from so8t.training.smoothness import smoothness

Step = Callable[[], None]
VARIANTS = ("plain", "hooks", "pet", "head", "head_and_pet")  # "hooks": set, but the step is not watched


def model(options: argparse.Namespace, checkpointing: bool) -> Any:
    """The base with its adapter."""
    torch.manual_seed(8)
    config = LlamaConfig(
        hidden_size=options.hidden,
        num_hidden_layers=options.layers,
        num_attention_heads=8,
        num_key_value_heads=4,
        intermediate_size=3 * options.hidden,
        vocab_size=2048,
        use_cache=False,
    )
    made = LlamaForCausalLM(config).to(getattr(torch, options.dtype))
    if checkpointing:
        made.gradient_checkpointing_enable({"use_reentrant": False})
    return get_peft_model(made, LoraConfig(r=16, target_modules="all-linear")).train()


def batch(options: argparse.Namespace) -> tuple[Tensor, Tensor]:
    """(B, T) ids and mask: rows between half and all of the length."""
    ids = torch.randint(1, 2048, (options.batch, options.tokens))
    lengths = torch.linspace(options.tokens / 2, options.tokens, options.batch).long()
    mask = (torch.arange(options.tokens) < lengths[:, None]).long()
    return ids * mask, mask


@contextmanager
def steps(options: argparse.Namespace, checkpointing: bool) -> Iterator[dict[str, Step]]:
    """One step of each kind, all on the same model."""
    base, (ids, mask) = model(options, checkpointing), batch(options)
    causal: Any = base.get_base_model()
    head, target = SafetyHead(options.hidden, "mean"), torch.arange(options.batch) % 3
    labels = ids.masked_fill(mask == 0, -100)

    def step(pet: Pet | None, watch: bool, safety: bool) -> None:
        if pet and watch:
            pet.watch(mask)
        states = causal.model(ids, attention_mask=mask).last_hidden_state  # (B, T, D)
        loss = sft_loss(causal.lm_head(states), labels)
        term = pet.loss() if pet and watch else None
        if safety:
            found = safety_terms(head(states, mask), target, torch.ones(options.batch))
            loss = compose(Coefficients(), found, loss, term, 0.2).total
        elif term is not None:
            loss = loss + 0.2 * term
        loss.backward()
        base.zero_grad(set_to_none=True)
        head.zero_grad(set_to_none=True)

    def hooked(watch: bool, safety: bool) -> None:
        with Pet(base) as pet:
            step(pet, watch, safety)

    yield {
        "plain": lambda: step(None, False, False),
        "hooks": lambda: hooked(False, False),
        "pet": lambda: hooked(True, False),
        "head": lambda: step(None, False, True),
        "head_and_pet": lambda: hooked(True, True),
    }


def seconds(step: Step) -> float:
    """Processor time of one step."""
    start = time.process_time()
    step()
    return time.process_time() - start


def alone(options: argparse.Namespace) -> float:
    """Processor time of PET's terms of all blocks, forward and backward, without a model around them."""
    _, mask = batch(options)
    shape = (options.batch, options.tokens, options.hidden)
    states = torch.randn(shape, dtype=getattr(torch, options.dtype), requires_grad=True)
    return options.layers * min(seconds(lambda: smoothness(states, mask).backward()) for _ in range(200))


def peak(step: Step) -> int:
    """The most bytes that one step held at once, above what was there before."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        step()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "trace.json"
        seen.export_chrome_trace(str(file))
        events = json.loads(file.read_text(encoding="utf-8"))["traceEvents"]
    held = most = 0
    for event in sorted((e for e in events if e.get("name") == "[memory]"), key=lambda e: e["ts"]):
        held += event["args"]["Bytes"]
        most = max(most, held)
    return most


def compare(options: argparse.Namespace, checkpointing: bool) -> dict[str, object]:
    """Every variant against the plain step."""
    with steps(options, checkpointing) as all_steps:
        for step in all_steps.values():  # warms up
            step()
        rounds = [{name: seconds(all_steps[name]) for name in VARIANTS} for _ in range(options.rounds)]
        quickest = {name: min(r[name] for r in rounds) for name in VARIANTS}
        peaks = {name: peak(all_steps[name]) for name in VARIANTS}
    return {
        "step_ms": round(1000 * quickest["plain"], 1),
        "peak_mib": round(peaks["plain"] / 2**20, 1),
        "pet_alone": round(alone(options) / quickest["plain"], 3),
        "time": {n: round(quickest[n] / quickest["plain"], 3) for n in VARIANTS[1:]},
        "memory": {n: round(peaks[n] / peaks["plain"], 3) for n in VARIANTS[1:]},
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--hidden", type=int, default=512)
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--dtype", choices=["float32", "bfloat16"], default="float32")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings(
        "ignore", category=FutureWarning
    )  # transformers 5 on a name of transformers 4 that peft uses
    found = {
        **machine.here(),
        "model": f"Llama {options.hidden} x {options.layers} with LoRA, {options.dtype}",
        "batch": f"{options.batch} x {options.tokens} tokens",
        "plain": compare(options, checkpointing=False),
        "checkpointing": compare(options, checkpointing=True),
    }
    machine.tell(found, as_json=options.json)


if __name__ == "__main__":
    main()
