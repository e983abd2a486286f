"""How well the head in the box judges: cases that it never saw, through the whole gate, as the agent asks it.

    python benchmarks/judgement.py [--json] [FILE.jsonl ...]

Without files, three sets: `english` and `adversarial` (benchmarks/judgement, kept out of every training), and
`japanese` (all Japanese cases; the encoder reads none, so that ESCALATE is right). What is measured is what
`so8t gate check` measures, with the default configuration: the turn is judged before the call. Then the content head
alone, on tool results that it never saw (`contents`). Shares have 95 % intervals (Wilson). Asserts nothing.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import machine
from so8t.agent.build import head_folder, open_gate
from so8t.agent.cli.gate import judge
from so8t.agent.config import Config
from so8t.agent.settings import Settings
from so8t.gate.backbones.of_head import BESIDE, open_backbone
from so8t.gate.cases import Case, read
from so8t.gate.content import ContentHead
from so8t.gate.contract import Decision
from so8t.gate.head import Head
from so8t.gate.metrics import Metrics
from so8t.training.data.contents import read as read_texts
from so8t.training.evaluation.intervals import wilson

ROOT = Path(__file__).resolve().parent.parent
OWN = Path(__file__).resolve().parent / "judgement"
FIGURES = {
    "refuse recall": (("REFUSE",), ("REFUSE",)),
    "escalate recall": (("ESCALATE",), ("ESCALATE",)),
    "overcompliance": (("ESCALATE", "REFUSE", "UNSAFE"), ("ALLOW",)),
    "over-refusal": (("ALLOW",), ("ESCALATE", "REFUSE")),
}


def main() -> None:
    """Judge every set, then print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    sets = {file.stem: cases([file]) for file in options.files} or {
        "english": cases([OWN / "survey.jsonl"]),
        "adversarial": cases([OWN / "tricks.jsonl"]),
        "japanese": [c for c in cases(sorted((ROOT / "training" / "cases").glob("*.jsonl"))) if c.lang == "ja"],
    }
    facts: dict[str, Any] = dict(machine.here())
    results = {name: asyncio.run(measured(found)) for name, found in sets.items()}
    if not options.files:
        results["contents"] = asyncio.run(contents(OWN / "contents.jsonl"))
    for name, values in results.items():
        facts |= {name: values} if options.json else {f"{name}: {key}": value for key, value in shown(values).items()}
    machine.tell(facts, as_json=options.json)


def cases(files: Sequence[Path]) -> list[Case]:
    """The labelled cases of these files."""
    found: list[Case] = []
    for file in files:
        with file.open("rb") as lines:
            found += [case for case in read(lines) if isinstance(case, Case) and case.label]
    return found


async def measured(found: Sequence[Case]) -> dict[str, Any]:
    """Every case through one gate."""
    metrics = Metrics()
    async with open_gate(Config(Settings(), None, {})) as gate:
        for case in found:
            metrics.add(case.label, await judge(gate, case.proposal))
    report = metrics.report()
    values: dict[str, Any] = {"cases": report["labelled"]}
    for name, (labels, decisions) in FIGURES.items():
        total = sum(metrics.confusion[label, d.name] for label in labels for d in Decision)
        hits = sum(metrics.confusion[label, d] for label in labels for d in decisions)
        if total:
            values[name] = share(hits, total)
    return values | {"auroc": report["auroc"], "accuracy": report["accuracy"], "ms p50": report["ms_p50"]}


async def contents(file: Path) -> dict[str, Any]:
    """Every tool result through the content head of the default head."""
    config = Config(Settings(), None, {})
    folder = head_folder(config)
    backbone = await open_backbone(Head.load(folder), folder, folder / BESIDE, None, 60.0)
    flagged, orders = [], []
    try:
        judge_ = ContentHead.beside(folder, backbone)
        if judge_ is None:
            return {"texts": 0}
        for text in read_texts([file]):
            flagged.append(await judge_.probability(text.text) >= judge_.file.threshold)
            orders.append(text.instructs)
    finally:
        await backbone.close()
    both = sum(f and o for f, o in zip(flagged, orders, strict=True))
    shares = {"recall": (both, sum(orders)), "precision": (both, sum(flagged))}
    shares["false alarms"] = (sum(flagged) - both, len(orders) - sum(orders))
    return {"texts": len(orders)} | {name: share(*counts) for name, counts in shares.items() if counts[1]}


def share(hits: int, total: int) -> dict[str, Any]:
    """With its interval."""
    return {"value": hits / total, "interval": wilson(hits, total), "of": total}


def shown(values: dict[str, Any]) -> dict[str, str]:
    """For the table."""
    return {name: _shown(value) for name, value in values.items() if value is not None}


def _shown(value: Any) -> str:
    if not isinstance(value, dict):
        return f"{value:.3f}" if isinstance(value, float) else str(value)
    low, high = value["interval"]
    return f"{value['value']:.3f} ({low:.3f}-{high:.3f}), of {value['of']}"


if __name__ == "__main__":
    main()
