"""Peak memory of a training step against `so8t train estimate`, and what head and PET add to plain QLoRA.

    python benchmarks/train_memory.py [--shapes mistral-7b llama-3-8b qwen2.5-3b] [--cap-gib 12] [--tokens 2048]

On a CUDA card whose memory is capped for torch: the models' own shapes with random weights, made and quantised to NF4
on the card one matrix at a time, LoRA r = 32, gradient checkpointing, paged 8-bit AdamW, one row of --tokens of which
the language model learns --learnt. `plain` is QLoRA without head and PET, `full` has both. A step here is forward and
backward of a micro-batch; its time is the quickest of --rounds, both kinds alternating. Peaks cover two micro-batches
and the optimizer, not the building. `allocated` is torch's own count, without paged optimizer states and CUDA itself;
`reserved` is what its allocator holds for it; `card` is all that is used of the card, by other programs too.

Without a CUDA card: the same code on small models of the same families, in float32 on one core, as ratios only: step
time, and the peak resident memory of a process each (not on Windows). They say nothing about a card.

Each measurement runs in a process of its own. The result goes to benchmarks/results/. Asserts nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import bitsandbytes as bnb
import torch
from random_model import SHAPES, SMALL, STRENGTH, built, config_of, recipe_of
from torch import Tensor

import machine
from so8t.training.estimate import GIB, estimate
from so8t.training.losses import learnt, token_loss
from so8t.training.model import Judging
from so8t.training.recipe import Recipe

RESULTS = Path(__file__).parent / "results"
VARIANTS = ("plain", "full")


def steps(model: Judging, recipe: Recipe, options: argparse.Namespace) -> dict[str, Callable[[], None]]:
    """One micro-batch of each kind, on the same model and the same rows."""
    ids = torch.randint(0, 2000, (1, options.tokens), device=options.device)  # (1, T)
    mask = torch.ones_like(ids)
    labels = ids.clone()
    labels[:, : options.tokens - options.learnt] = -100  # the last ones are learnt
    target, weight = torch.tensor([2], device=options.device), torch.ones(1, device=options.device)
    bf16 = recipe.train.precision == "bf16"

    def loss(full: bool) -> Tensor:
        with torch.autocast(options.device, torch.bfloat16) if bf16 else nullcontext():
            if full:
                return model(ids, mask, labels, target, weight)["loss"]
            kept, tokens = learnt(model.states(ids, mask), labels)
            lm_head: Any = model.base.get_base_model().get_output_embeddings()
            return token_loss(lm_head(kept), tokens)

    def full() -> None:
        model.lambda_pet = STRENGTH
        with model.watched():
            loss(True).backward()

    return {"plain": lambda: loss(False).backward(), "full": full}


def optimizer_of(model: Judging, recipe: Recipe, variant: str) -> torch.optim.Optimizer:
    """Of the adapter, and of the head where it is trained."""
    trained = [p for p in (model if variant == "full" else model.base).parameters() if p.requires_grad]
    paged = recipe.train.optimizer == "paged_adamw_8bit"
    return bnb.optim.PagedAdamW8bit(trained, lr=1e-4) if paged else torch.optim.AdamW(trained, lr=1e-4)


def whole(model: Judging, step: Callable[[], None], optimizer: torch.optim.Optimizer) -> None:
    """Two micro-batches, of which the second finds gradients; clipping; the optimizer."""
    step()
    step()
    torch.nn.utils.clip_grad_norm_([p for p in model.parameters() if p.grad is not None], 1.0)
    optimizer.step()


def seconds(step: Callable[[], None], cuda: bool) -> float:
    """Of one micro-batch: on a card until it is done, on the CPU the processor's time."""
    if not cuda:
        start = time.process_time()
        step()
        return time.process_time() - start
    torch.cuda.synchronize()
    start = time.perf_counter()
    step()
    torch.cuda.synchronize()
    return time.perf_counter() - start


def timed(all_steps: dict[str, Callable[[], None]], options: argparse.Namespace) -> dict[str, float]:
    """The quickest micro-batch of each kind."""
    cuda = options.device == "cuda"
    rounds = [{name: seconds(all_steps[name], cuda) for name in VARIANTS} for _ in range(options.rounds + 1)][1:]
    return {name: min(r[name] for r in rounds) for name in VARIANTS}


def measured(options: argparse.Namespace) -> dict[str, Any]:
    """What one process finds: the times of both kinds or, with --variant, the peaks of that kind."""
    cuda = options.device == "cuda"
    if cuda:
        total = torch.cuda.get_device_properties(0).total_memory
        torch.cuda.set_per_process_memory_fraction(min(1.0, options.cap_gib * GIB / total))
    else:
        torch.set_num_threads(1)
    recipe = recipe_of(options.rank, cuda=cuda)
    try:
        model = built(recipe, config_of(options.one, small=not cuda), options.device)
        all_steps = steps(model, recipe, options)
        if not options.variant:
            return {"step_s": timed(all_steps, options)}
        optimizer = optimizer_of(model, recipe, options.variant)
        whole(model, all_steps[options.variant], optimizer)  # makes gradients and states
        return (peaks_on_card if cuda else resident)(lambda: whole(model, all_steps[options.variant], optimizer))
    except torch.OutOfMemoryError as error:
        return {"out_of_memory": str(error).splitlines()[0]}


def peaks_on_card(step: Callable[[], None]) -> dict[str, Any]:
    """GiB."""
    built_with = torch.cuda.max_memory_reserved()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    step()
    free, total = torch.cuda.mem_get_info()
    return {
        "card": torch.cuda.get_device_name(),
        "allocated_gib": gib(torch.cuda.max_memory_allocated()),
        "reserved_gib": gib(torch.cuda.max_memory_reserved()),
        "reserved_with_building_gib": gib(built_with),
        "card_gib": gib(total - free),
    }


def resident(step: Callable[[], None]) -> dict[str, Any]:
    """Of this process since it began, in the system's unit."""
    import resource  # not on Windows

    step()
    return {"resident": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}


def child(options: argparse.Namespace, shape: str, variant: str = "") -> dict[str, Any]:
    """What a process of its own found: the last line that it prints."""
    given = {"tokens": options.tokens, "learnt": options.learnt, "rank": options.rank, "rounds": options.rounds}
    given |= {"cap-gib": options.cap_gib, "one": shape} | ({"variant": variant} if variant else {})
    arguments = [part for name, value in given.items() for part in (f"--{name}", str(value))]
    done = subprocess.run([sys.executable, __file__, *arguments], stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def shape_on_card(options: argparse.Namespace, shape: str) -> dict[str, Any]:
    """Measured, and estimated."""
    recipe, config = recipe_of(options.rank, cuda=True), config_of(shape, small=False)
    expected = estimate(recipe, config, sequence=options.tokens, learnt=options.learnt)
    outside = sum(item.bytes for item in expected.items if item.name in ("CUDA", "optimizer"))  # of torch's allocator
    found: dict[str, Any] = {variant: child(options, shape, variant) for variant in VARIANTS}
    found["estimate_gib"] = {"peak": gib(expected.total), "allocated": gib(expected.total - outside)}
    found["estimate_items_gib"] = {item.name: gib(item.bytes) for item in expected.items}
    if "allocated_gib" in found["full"]:
        found["estimate_ratio"] = round(gib(expected.total - outside) / found["full"]["allocated_gib"], 3)
    return found | ratio_of_times(child(options, shape))


def shape_on_cpu(options: argparse.Namespace, shape: str) -> dict[str, Any]:
    """Ratios of a small model of the shape's family."""
    found = ratio_of_times(child(options, shape))
    found.pop("step_s")
    if sys.platform != "win32":
        plain, full = (child(options, shape, variant)["resident"] for variant in VARIANTS)
        found["resident_ratio"] = round(full / plain, 3)
    return found


def ratio_of_times(found: dict[str, Any]) -> dict[str, Any]:
    """With the ratio, where there was memory enough to measure."""
    times = found.get("step_s")
    return found | ({"time_ratio": round(times["full"] / times["plain"], 3)} if times else {})


def gib(size: float) -> float:
    """Of bytes."""
    return round(size / GIB, 3)


def parse() -> argparse.Namespace:
    """The options. What is not given depends on the device."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shapes", nargs="+", choices=SHAPES, default=list(SHAPES))
    parser.add_argument("--cap-gib", type=float, default=12.0)
    parser.add_argument("--tokens", type=int, help="of the row; 2048 on a card, 256 on the CPU")
    parser.add_argument("--learnt", type=int, help="tokens; a quarter of --tokens")
    parser.add_argument("--rank", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--one", choices=SHAPES, help=argparse.SUPPRESS)  # the process that measures
    parser.add_argument("--variant", choices=VARIANTS, default="", help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.device = "cuda" if torch.cuda.is_available() else "cpu"
    options.tokens = options.tokens or (2048 if options.device == "cuda" else 256)
    options.learnt = options.learnt or options.tokens // 4
    return options


def main() -> None:
    """Measure, print, write."""
    options = parse()
    warnings.simplefilter("ignore", FutureWarning)  # transformers and peft, about names of their own
    torch.manual_seed(8)
    if options.one:
        print(json.dumps(measured(options)))
        return
    what = {"tokens": options.tokens, "learnt": options.learnt, "r": options.rank, "rounds": options.rounds}
    if options.device == "cuda":
        what |= {"cap_gib": options.cap_gib, "allocator": os.environ.get("PYTORCH_CUDA_ALLOC_CONF", "default")}
        shapes = {shape: shape_on_card(options, shape) for shape in options.shapes}
        card = next((f["full"]["card"] for f in shapes.values() if "card" in f["full"]), "unknown")
    else:
        what |= {"small_models": SMALL, "note": "the GPU part did not run: no CUDA card is here"}
        shapes, card = {shape: shape_on_cpu(options, shape) for shape in options.shapes}, "none"
    found = {**machine.here(), "card": card, **what, **shapes}
    machine.tell(found, as_json=False)
    RESULTS.mkdir(exist_ok=True)
    name = "cpu" if card == "none" else "-".join(card.lower().split())
    file = RESULTS / f"train_memory-{found['date']}-{name}.json"
    file.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    print(f"written to {file.relative_to(Path.cwd()) if file.is_relative_to(Path.cwd()) else file}")


if __name__ == "__main__":
    main()
