"""Averages the weights of two runs: `python -m so8t.training.mini.average RUN1 RUN2 --share 0.7 --out DIR`.

Two runs that began with the same weights and learned from different dialogues often give a better model between them
than at either end (Wortsman et al., "Model soups", arXiv:2203.05482). DIR is a run's folder as pretrain.py writes it,
without a checkpoint; its run.json holds the facts of both runs.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from transformers import LlamaForCausalLM

from so8t.training.mini import tokenizer


def average(first: Path, second: Path, share: float, out: Path) -> None:
    """Write (1 - share) x first + share x second to `out`. Raises ValueError where they are not alike."""
    model, other = LlamaForCausalLM.from_pretrained(second), LlamaForCausalLM.from_pretrained(first).state_dict()
    own = model.state_dict()
    words = tokenizer.load(second)
    if {n: v.shape for n, v in own.items()} != {n: v.shape for n, v in other.items()} or (
        words.get_vocab() != tokenizer.load(first).get_vocab()
    ):
        raise ValueError(f"{first} and {second} are models of different shapes or tokenizers: nothing to average")
    model.load_state_dict({name: (1 - share) * other[name] + share * value for name, value in own.items()})
    model.save_pretrained(out)
    words.save_pretrained(out)
    facts = [json.loads((run / "run.json").read_text(encoding="utf-8")) for run in (first, second)]
    text = json.dumps({"average": {"share_of_second": share, "runs": facts}}, indent=2)
    (out / "run.json").write_text(text + "\n", encoding="utf-8")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("first", type=Path)
    parser.add_argument("second", type=Path)
    parser.add_argument("--share", type=float, required=True, help="of the second run, 0 to 1")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    average(options.first, options.second, options.share, options.out)


if __name__ == "__main__":
    main()
