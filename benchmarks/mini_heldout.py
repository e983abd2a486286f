"""How well so8t-mini calls the built-in tools on turns whose wording it never saw in training.

    python benchmarks/mini_heldout.py [--model FILE] [--seen-overlap] [--after K] [--json]

Runs training/mini/heldout.jsonl through the engine that ships (worker process, grammar, built-in tools) at
temperature 0. Each share comes with its 95 % Wilson interval. With --after, each turn is asked in a conversation, after
K other turns of the file and made-up results of theirs. Asserts nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import random
import statistics
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import machine
from so8t.agent.engines import ProposedCall, Reply
from so8t.agent.engines.llama_cpp import LlamaCpp, Options
from so8t.agent.settings import Settings
from so8t.gate.contract import Call, Message
from so8t.gate.models.fetch import pull
from so8t.tools import InvalidArguments, Toolbox, UnknownTool

HELDOUT = Path(__file__).resolve().parent.parent / "training" / "mini" / "heldout.jsonl"
Row = dict[str, Any]


async def asked(engine: LlamaCpp, box: Toolbox, messages: Sequence[Message]) -> Reply:
    """The engine's answer."""
    reply = [item async for item in engine.stream(messages, box.specs)][-1]
    assert isinstance(reply, Reply)
    return reply


async def conversation(engine: LlamaCpp, box: Toolbox, row: Row) -> list[Message]:
    """The messages up to the turn that is asked; what the assistant said of earlier results is the model's own."""
    messages = [Message("system", Settings().model.system_prompt)]
    for turn in row["before"]:
        call = Call.of(turn["tool"], turn["arguments"])
        messages += [Message("user", turn["user"]), Message("assistant", "", (call,))]
        messages.append(Message("tool", turn["result"], tool=call.name, call_id=call.id))
        messages.append(Message("assistant", turn.get("said") or (await asked(engine, box, messages)).text))
    return [*messages, Message("user", row["user"])]


def without_defaults(arguments: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments that say more than the tool's defaults."""
    known = schema.get("properties", {})
    return {k: v for k, v in arguments.items() if "default" not in known.get(k, {}) or known[k]["default"] != v}


def judged(row: Row, calls: Sequence[ProposedCall], box: Toolbox) -> dict[str, bool]:
    """What is right about one answer."""
    exact = tool = [call.name for call in calls] == ([row["tool"]] if row["tool"] else [])
    valid = []
    for call in calls:
        with suppress(UnknownTool, InvalidArguments):
            valid.append(box.validate(call.name, call.arguments))
    if tool and calls:
        schema = box.get(row["tool"]).spec.parameters
        written = json.loads(calls[0].arguments)
        exact = without_defaults(written, schema) == without_defaults(row["arguments"], schema)
    return {"tool": tool, "exact": exact, "valid": len(valid) == len(calls), "called": bool(calls)}


async def measure(model: Path, rows: Sequence[Row]) -> dict[str, Any]:
    """Ask every turn and count."""
    box = Toolbox.load([], entry_points=False, disabled=())
    engine = LlamaCpp(model, model.name, Options(max_tokens=256))
    rights: list[dict[str, bool]] = []
    ms: list[float] = []
    try:
        await engine.start()
        for row in rows:
            messages = await conversation(engine, box, row)
            began = time.perf_counter()
            reply = await asked(engine, box, messages)
            ms.append((time.perf_counter() - began) * 1000)
            rights.append(judged(row, reply.calls, box))
    finally:
        await engine.close()
    cuts = statistics.quantiles(ms, n=20)
    facts = {
        **machine.here(),
        "model": model.name,
        "turn_ms": {"p50": round(cuts[9], 1), "p95": round(cuts[18], 1)},
    }
    return facts | counts([row["tool"] or "(none)" for row in rows], rights)


def counts(tools: Sequence[str], rights: Sequence[Mapping[str, bool]]) -> dict[str, Any]:
    """The shares, over all turns and for each right tool."""
    by_tool = {name: [r for tool, r in zip(tools, rights, strict=True) if tool == name] for name in sorted(set(tools))}
    return {
        "n": len(rights),
        "tool_choice": share(r["tool"] for r in rights),
        "exact_arguments": share(r["exact"] for name, rs in by_tool.items() for r in rs if name != "(none)"),
        "valid_calls": share(r["valid"] for r in rights if r["called"]),
        "no_tool": share(r["tool"] for r in by_tool.get("(none)", ())),
        "per_tool": {
            name: {"n": len(rs), "tool": sum(r["tool"] for r in rs), "exact": sum(r["exact"] for r in rs)}
            for name, rs in by_tool.items()
        },
    }


def share(outcomes: Iterable[bool]) -> dict[str, float]:
    """A share and its 95 % interval after Wilson (1927)."""
    known = list(outcomes)
    n, z = len(known), 1.96
    if not n:
        return {"n": 0}
    p = sum(known) / n
    middle, half = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    low, high = ((middle + sign * half) / (1 + z * z / n) for sign in (-1, 1))
    return {"share": round(p, 4), "low": round(low, 4), "high": round(high, 4), "n": n}


def in_conversation(rows: Sequence[Row], turns: int) -> list[Row]:
    """Each row after so many others that call a tool, with results and closing words as in training."""
    from so8t.training.mini import replies, results

    dice = random.Random(0)  # noqa: S311 - examples, no secret
    calls = [row for row in rows if row["tool"] and not row["before"]]

    def finished(row: Row) -> Row:
        result = results.result(row["tool"], row["arguments"], dice)
        return {**row, "result": result, "said": replies.answer(row["tool"], row["arguments"], result, dice)}

    return [{**row, "before": [*map(finished, dice.sample(calls, turns)), *row["before"]]} for row in rows]


def new_wordings(rows: Sequence[Row]) -> list[Row]:
    """The turns that no training phrasing words in the same way. Needs the extra `train`."""
    from so8t.training.mini import evaluate, overlap, phrasing

    questions = evaluate.read_heldout(HELDOUT)
    kept = {id(question) for question in overlap.unseen(questions, phrasing.read_folder())}
    return [row for row, question in zip(rows, questions, strict=True) if id(question) in kept]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, help="another GGUF file than the one that ships")
    parser.add_argument("--seen-overlap", action="store_true", help="leave out turns worded like a training phrasing")
    parser.add_argument("--after", type=int, default=0, metavar="K", help="ask each turn after K others")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows = [json.loads(line) for line in HELDOUT.read_text(encoding="utf-8").splitlines() if line.strip()]
    rows = in_conversation(new_wordings(rows) if options.seen_overlap else rows, options.after)
    found = asyncio.run(measure(options.model or pull("so8t-mini"), rows))
    if options.json:
        print(json.dumps(found))
        return
    tools = found.pop("per_tool")
    for name, value in [*found.items(), *((f"  {tool}", counts) for tool, counts in tools.items())]:
        print(f"{name:<16} {' '.join(f'{k} {v}' for k, v in value.items()) if isinstance(value, dict) else value}")


if __name__ == "__main__":
    main()
