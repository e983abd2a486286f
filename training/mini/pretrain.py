"""Trains so8t-mini from scratch: `python -m so8t.training.mini.pretrain --out DIR --minutes M`.

DIR receives the model in the layout of transformers (config.json, model.safetensors, tokenizer.json), `checkpoint.pt`
to resume from, `log.jsonl` and `run.json` (seed, data digest, sizes, scores). Run the same command again to resume.
`--start DIR2` begins with the weights and the tokenizer of an earlier run instead of random ones; `--rate` then lowers
the learning rates (so8t-mini itself: 81.5 minutes from scratch, then with `--rate 0.4` 26 minutes on more phrasings and
28 minutes on longer conversations, then with `--rate 0.25` 34 minutes on short requests; the last two averaged by
average.py with a share of 0.7. Its GGUF file holds the facts of all runs under `so8t.training`).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path
from typing import Any

import click
import torch
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from so8t.training.mini import chat, evaluate, phrasing, tokenizer
from so8t.training.mini.batches import batches
from so8t.training.mini.dialogues import Generator
from so8t.training.mini.model import Plan, build, loss_of, optimizers, rate

TOKENIZER_DIALOGUES = 20_000


class Run:
    """One training run in `out`: its model, optimisers, time used, tokens seen; saved and resumed as a whole."""

    def __init__(self, out: Path, plan: Plan, start: Path | None = None) -> None:
        self.out, self.plan, self.start = out, plan, start
        self.out.mkdir(parents=True, exist_ok=True)
        self.lines = phrasing.read_folder()
        self.digests = digests(self.lines, plan.seed)
        self.tokenizer = self._tokenizer()
        self.model = build(plan, self.tokenizer)
        if start:
            self.model.load_state_dict(LlamaForCausalLM.from_pretrained(start).state_dict())
        self.optimizers = optimizers(self.model, plan)
        self.used, self.step, self.tokens = 0.0, 0, 0  # used: seconds of training
        if (out / "checkpoint.pt").exists():
            self._resume()
        self.questions = {
            "known": evaluate.known(Generator(self.lines, plan.seed + 10**6), 150),
            "heldout": evaluate.read_heldout(),
        }

    def _tokenizer(self) -> PreTrainedTokenizerFast:
        if (self.out / "tokenizer.json").exists():
            return tokenizer.load(self.out)
        if self.start:
            made = tokenizer.load(self.start)
            made.save_pretrained(self.out)
            return made
        dialogues = islice(Generator(self.lines, self.plan.seed), TOKENIZER_DIALOGUES)
        words = [
            message.content for dialogue in dialogues for message in dialogue if message.role in ("user", "assistant")
        ]
        made = tokenizer.train([*words, *(item.text for item in self.lines for _ in range(4))])
        made.save_pretrained(self.out)
        return made

    def train(self) -> None:
        """Train until the minutes of the plan are used up."""
        limit, plan = self.plan.minutes * 60, self.plan
        data = batches(self.tokenizer, Generator(self.lines, plan.seed + self.step), plan.batch_tokens)
        last = time.monotonic()
        evaluated = saved = self.used
        mean = 0.0
        while self.used < limit:
            # ---- the update step -------------------------------------------------------------------------------
            batch = next(data)
            loss = loss_of(self.model, batch)
            loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            factor = rate(self.used / limit, plan)
            for optimizer, top in zip(self.optimizers, (plan.matrix_rate, plan.other_rate), strict=True):
                optimizer.param_groups[0]["lr"] = top * factor
                optimizer.step()
                optimizer.zero_grad(set_to_none=True)
            # ----------------------------------------------------------------------------------------------------
            self.step, self.tokens = self.step + 1, self.tokens + batch.tokens
            mean = loss.item() if not mean else 0.98 * mean + 0.02 * loss.item()
            now = time.monotonic()
            self.used, last = self.used + now - last, now
            if self.step % 50 == 0:
                self._log(loss=round(mean, 4))
            if self.used - saved > plan.save_every * 60:
                self.save()
                saved = self.used
            if self.used - evaluated > plan.evaluate_every * 60:
                self.measure()
                evaluated = self.used
                self.used, last = self.used + time.monotonic() - last, time.monotonic()
        self.save()

    def measure(self) -> dict[str, evaluate.Score]:
        """Score the model as it stands on known and on held-out phrasings."""
        self.model.eval()  # type: ignore[no-untyped-call]  # untyped in transformers
        answerer = evaluate.TorchAnswerer(self.model, self.tokenizer)
        scores = {name: evaluate.score(questions, answerer) for name, questions in self.questions.items()}
        self.model.train()
        self._log(**{name: str(score) for name, score in scores.items()})
        return scores

    def save(self) -> None:
        """Write the model and all that is needed to go on."""
        self.model.save_pretrained(self.out)
        state = {"used": self.used, "step": self.step, "tokens": self.tokens, "model": self.model.state_dict()}
        torch.save(state | {"optimizers": [item.state_dict() for item in self.optimizers]}, self.out / "checkpoint.tmp")
        (self.out / "checkpoint.tmp").replace(self.out / "checkpoint.pt")

    def _resume(self) -> None:
        state = torch.load(self.out / "checkpoint.pt", weights_only=True)
        self.used, self.step, self.tokens = state["used"], state["step"], state["tokens"]
        self.model.load_state_dict(state["model"])
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)

    def _log(self, **values: Any) -> None:
        line = json.dumps({"minutes": round(self.used / 60, 2), "step": self.step, "tokens": self.tokens, **values})
        click.echo(line)
        with (self.out / "log.jsonl").open("a", encoding="utf-8") as log:
            log.write(line + "\n")

    def report(self) -> None:
        """Write run.json: what was trained on what, and how well it does."""
        scores = {name: score.facts() for name, score in self.measure().items()}
        facts = {
            "plan": asdict(self.plan),
            "parameters": sum(p.numel() for p in self.model.parameters()),
            "steps": self.step,
            "tokens": self.tokens,
            "phrasings": len(self.lines),
            "digests": self.digests,
            "start": json.loads((self.start / "run.json").read_text(encoding="utf-8")) if self.start else None,
            "scores": scores,
        }
        (self.out / "run.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")


def digests(lines: Sequence[phrasing.Phrasing], seed: int) -> dict[str, str]:
    """SHA-256 of the first dialogues of the run (as text), of each phrasing file and of the held-out questions."""
    text = "\n".join(chat.render(dialogue) for dialogue in islice(Generator(lines, seed), 10_000))
    files = [*sorted(phrasing.FOLDER.glob("*.txt")), evaluate.HELDOUT]
    return {"dialogues": _sha256(text.encode())} | {path.name: _sha256(path.read_bytes()) for path in files}


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--out", type=Path, required=True, help="folder for the model; an unfinished run in it is resumed"
    )
    parser.add_argument(
        "--minutes", type=float, required=True, help="training time; the learning rate falls to zero over it"
    )
    parser.add_argument("--seed", type=int, default=8)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch-tokens", type=int, default=4096)
    parser.add_argument("--start", type=Path, help="folder of an earlier run to begin with")
    parser.add_argument("--rate", type=float, default=1.0, help="factor on both learning rates")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    plan = Plan(options.minutes, options.seed, batch_tokens=options.batch_tokens)
    plan = replace(plan, matrix_rate=plan.matrix_rate * options.rate, other_rate=plan.other_rate * options.rate)
    run = Run(options.out, plan, options.start)
    run.train()
    run.report()


if __name__ == "__main__":
    main()
