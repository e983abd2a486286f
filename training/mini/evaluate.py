"""Scores so8t-mini: which tool it chooses for a turn, and whether every argument is exactly right."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import torch
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from so8t.training.mini import chat, replies
from so8t.training.mini.dialogues import Generator
from so8t.training.mini.tokenizer import encode

HELDOUT = Path(__file__).parent / "heldout.jsonl"
NO_TOOL = "(none)"
Answerer = Callable[[Sequence[str]], list[str]]


@dataclass(frozen=True)
class Question:
    """One turn to answer: the messages so far, the last of them the user's, and the right call (None: no tool)."""

    messages: tuple[chat.Message, ...]
    expected: chat.Call | None
    kind: str = ""

    @property
    def prompt(self) -> str:
        """The rendered text after which the assistant speaks."""
        return chat.render(self.messages, prompt=True)


@dataclass(frozen=True)
class Score:
    """Counts over questions: right tool (of all), exact arguments (of those with a tool), and both per tool."""

    total: int
    right_tool: int
    with_tool: int
    exact: int
    per_tool: dict[str, tuple[int, int, int]]
    misses: tuple[tuple[str, str, str], ...]

    @property
    def choice(self) -> float:
        """The share of questions with the right tool, or rightly none."""
        return self.right_tool / max(1, self.total)

    @property
    def exactness(self) -> float:
        """The share, among the questions that need a tool, of calls that are right to the letter."""
        return self.exact / max(1, self.with_tool)

    def facts(self) -> dict[str, Any]:
        """The figures as they stand in run.json; per tool: questions, right tool, exact."""
        shares = {"tool": self.choice, "exact": self.exactness}
        return shares | {"n": self.total, "with_tool": self.with_tool, "per_tool": self.per_tool}

    def __str__(self) -> str:
        tool = f"tool {self.right_tool}/{self.total} = {self.choice:.1%}"
        return f"{tool}, exact {self.exact}/{self.with_tool} = {self.exactness:.1%}"


def read_heldout(path: Path = HELDOUT) -> list[Question]:
    """The hand-written questions of heldout.jsonl, whose phrasings no training file holds."""
    return [_question(json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def _question(row: dict[str, Any]) -> Question:
    before = [message for turn in row["before"] for message in _turn(turn)]
    expected = chat.Call(row["tool"], row["arguments"]) if row["tool"] else None
    return Question((*before, chat.Message("user", row["user"])), expected, row["kind"])


def _turn(turn: dict[str, Any]) -> list[chat.Message]:
    """A finished turn of a held-out question, with the assistant's usual words after the result."""
    words = replies.answer(turn["tool"], turn["arguments"], turn["result"], Random(0))  # noqa: S311  # only one answer
    call = chat.Call(turn["tool"], turn["arguments"])
    return [
        chat.Message("user", turn["user"]),
        chat.Message("assistant", calls=[call]),
        chat.Message("tool", turn["result"]),
        chat.Message("assistant", words),
    ]


def known(generator: Generator, count: int) -> list[Question]:
    """Questions in the phrasings of the generator, with values of their own."""
    found: list[Question] = []
    while len(found) < count:
        dialogue = generator.dialogue()
        last = max(at for at, message in enumerate(dialogue) if message.role == "user")
        calls = dialogue[last + 1].calls
        if len(calls) < 2:
            found.append(Question(tuple(dialogue[: last + 1]), calls[0] if calls else None))
    return found


def score(questions: Sequence[Question], answerer: Answerer) -> Score:
    """Asks `answerer` every question (in rendered form) and counts."""
    answers = answerer([question.prompt for question in questions])
    seen: Counter[str] = Counter()
    chosen: Counter[str] = Counter()
    exact: Counter[str] = Counter()
    misses = []
    for question, answer in zip(questions, answers, strict=True):
        calls = chat.parse_calls(answer)
        name = question.expected.name if question.expected else NO_TOOL
        seen[name] += 1
        chosen[name] += (calls[0].name if calls else NO_TOOL) == name
        right = _exact(calls, question.expected)
        exact[name] += right
        if not right:
            misses.append(
                (question.messages[-1].content, question.expected.text() if question.expected else NO_TOOL, answer)
            )
    with_tool = sum(seen.values()) - seen[NO_TOOL]
    per_tool = {name: (seen[name], chosen[name], exact[name]) for name in sorted(seen)}
    return Score(len(questions), chosen.total(), with_tool, exact.total() - exact[NO_TOOL], per_tool, tuple(misses))


def _exact(calls: Sequence[chat.Call], expected: chat.Call | None) -> bool:
    if expected is None:
        return not calls
    return len(calls) == 1 and calls[0].name == expected.name and dict(calls[0].arguments) == dict(expected.arguments)


class TorchAnswerer:
    """Greedy answers from a model in torch, many at a time."""

    def __init__(
        self, model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, batch: int = 50, longest: int = 140
    ) -> None:
        self.model, self.tokenizer, self.batch, self.longest = model, tokenizer, batch, longest

    def __call__(self, prompts: Sequence[str]) -> list[str]:
        ids = [encode(self.tokenizer, prompt) for prompt in prompts]
        order = sorted(range(len(ids)), key=lambda at: len(ids[at]))
        answers = [""] * len(ids)
        for start in range(0, len(order), self.batch):
            chunk = order[start : start + self.batch]
            for at, text in zip(chunk, self._chunk([ids[at] for at in chunk]), strict=True):
                answers[at] = text
        return answers

    @torch.inference_mode()
    def _chunk(self, rows: list[list[int]]) -> Iterable[str]:
        width = max(map(len, rows))
        pad = int(self.tokenizer.pad_token_id or 0)
        ids = torch.tensor([[pad] * (width - len(row)) + row for row in rows])  # (B, T), padded on the left
        model: Any = self.model  # transformers types `generate` differently from version to version
        out = model.generate(
            input_ids=ids,
            attention_mask=(ids != pad).long(),
            max_new_tokens=self.longest,
            do_sample=False,
            pad_token_id=pad,
        )  # (B, T + new)
        for row in out[:, width:].tolist():
            end = row.index(self.tokenizer.eos_token_id) if self.tokenizer.eos_token_id in row else len(row)
            yield str(self.tokenizer.decode(row[:end]))
