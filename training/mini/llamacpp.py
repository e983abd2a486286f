"""Answers from a GGUF file through llama-cpp-python: scores the file that ships.

`python -m so8t.training.mini.llamacpp FILE.gguf` prints its score on the held-out questions: on all, and
on those whose wording no training phrasing has.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import click
from llama_cpp import Llama

from so8t.training.mini import chat, evaluate, overlap, phrasing


class GgufAnswerer:
    """Greedy answers from the GGUF file at `path`, one at a time."""

    def __init__(self, path: Path, threads: int = 2, longest: int = 140) -> None:
        self.llama = Llama(
            str(path), n_ctx=2048, n_threads=threads, n_threads_batch=threads, verbose=False, logits_all=False
        )
        self.end = self.llama.tokenize(chat.END.encode(), add_bos=False, special=True)[0]
        self.longest = longest

    def __call__(self, prompts: Sequence[str]) -> list[str]:
        return [self.answer(prompt) for prompt in prompts]

    def answer(self, prompt: str) -> str:
        """What the model says after the rendered `prompt`."""
        ids: list[int] = []
        for token in self.llama.generate(
            self.llama.tokenize(prompt.encode(), add_bos=False, special=True), temp=0.0, repeat_penalty=1.0
        ):
            if token == self.end or len(ids) == self.longest:
                break
            ids.append(token)
        return self.llama.detokenize(ids).decode(errors="replace")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", type=Path)
    parser.add_argument("--questions", type=Path, default=evaluate.HELDOUT)
    parser.add_argument("--misses", action="store_true", help="print each wrong answer")
    options = parser.parse_args()
    questions = evaluate.read_heldout(options.questions)
    prompts = [question.prompt for question in questions]
    said = dict(zip(prompts, GgufAnswerer(options.path)(prompts), strict=True))

    def answerer(asked: Sequence[str]) -> list[str]:
        return [said[prompt] for prompt in asked]

    score = evaluate.score(questions, answerer)
    new = overlap.unseen(questions, phrasing.read_folder())
    click.echo(f"all:          {score}")
    click.echo(f"new wordings: {evaluate.score(new, answerer)}")
    for name, (total, chosen, exact) in score.per_tool.items():
        click.echo(f"  {name:14} n {total:3}  tool {chosen:3}  exact {exact:3}")
    for user, right, answer in score.misses if options.misses else ():
        click.echo(f"- {user}\n    right: {right}\n    said:  {answer}")


if __name__ == "__main__":
    main()
