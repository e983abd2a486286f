"""How long a decision takes, and how much of it is the encoder itself.

    python benchmarks/gate_latency.py [--rounds 5] [--json]

Judges calls of training/cases with the default head, in a fixed order, several rounds. Beside each decision, in the
same run, the same windows go through the bare encoder (llama.cpp in this process, no gate around it), so that the
gate's own cost is a ratio that other machines can compare. Asserts nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import time
from pathlib import Path

import machine
from so8t.agent.build import head_folder, open_gate
from so8t.agent.config import Config
from so8t.agent.settings import Settings
from so8t.gate import provenance
from so8t.gate.backbones.encoder import EncoderFiles
from so8t.gate.backbones.encoder_tokens import WordPiece
from so8t.gate.cases import Case, read
from so8t.gate.head import Head
from so8t.gate.models.bert_files import BertFiles
from so8t.gate.models.cache import cache_folder
from so8t.gate.models.converted import converted
from so8t.gate.models.lora import Adapter
from so8t.gate.render import render
from so8t.gate.sources import Sources
from so8t.gate.windows import split

ROOT = Path(__file__).resolve().parent.parent


def cases(number: int) -> list[Case]:
    """Every so manieth call of the project's own cases."""
    found: list[Case] = []
    for file in sorted((ROOT / "training" / "cases").glob("*.jsonl")):
        with file.open("rb") as lines:
            found += [case for case in read(lines) if isinstance(case, Case) and case.proposal.call]
    return found[:: max(1, len(found) // number)][:number]


async def measure(rounds: int, number: int) -> dict[str, object]:
    """Time gate and bare encoder in turn, on the same cases."""
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")  # as in the gate's worker: before llama.cpp loads OpenMP
    from so8t.gate.backbones.encoder_llama import MAX_TOKENS, LlamaEncoder, has_fast_bf16

    config = Config(Settings(), None, {})
    folder = head_folder(config)
    head = Head.load(folder)
    files = EncoderFiles.known(head.meta.backbone.partition("@")[0])
    tokens = WordPiece(files.vocab)
    lora = head.meta.adapter
    adapter = Adapter(folder / lora.file, lora.alpha / lora.r) if lora else None
    dtype = "bf16" if has_fast_bf16() else "f16"
    chosen = cases(number)
    gate_ms: list[float] = []
    bare_ms: list[float] = []
    sizes: list[int] = []
    paths = BertFiles(files.weights, files.vocab, files.config)
    async with open_gate(config) as gate:
        with converted(paths, files.sha256, dtype, adapter, cache_folder()) as gguf:
            bare = LlamaEncoder(gguf, min(4, os.cpu_count() or 1))
            for round_ in range(rounds + 1):
                for case in chosen:
                    proposal = case.proposal
                    marks = provenance.marks(proposal, Sources.of(proposal.messages))
                    ids = [tokens.framed(w) for w in split(render(proposal, marks), tokens.count, MAX_TOKENS - 2)]
                    start = time.perf_counter()
                    for window in ids:
                        bare.pool(window)
                    middle = time.perf_counter()
                    await gate.decide(proposal)
                    if round_:  # the first round warms up
                        bare_ms.append((middle - start) * 1000)
                        gate_ms.append((time.perf_counter() - middle) * 1000)
                        sizes.append(sum(map(len, ids)))
    return {
        **machine.here(),
        "dtype": dtype,
        "decisions": len(gate_ms),
        "tokens_p50": statistics.median(sizes),
        "gate_ms": _spread(gate_ms),
        "bare_encoder_ms": _spread(bare_ms),
        "gate_to_bare": round(statistics.median(g / b for g, b in zip(gate_ms, bare_ms, strict=True)), 3),
    }


def _spread(values: list[float]) -> dict[str, float]:
    cuts = statistics.quantiles(values, n=20)
    return {"p5": round(cuts[0], 2), "p50": round(cuts[9], 2), "p95": round(cuts[18], 2)}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--cases", type=int, default=60)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found = asyncio.run(measure(options.rounds, options.cases))
    machine.tell(found, as_json=options.json)


if __name__ == "__main__":
    main()
