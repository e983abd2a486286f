"""Turns dialogues into token batches: dialogues of like length together, as many tokens in each batch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

import torch
from transformers import PreTrainedTokenizerFast

from so8t.training.mini import chat
from so8t.training.mini.dialogues import Generator
from so8t.training.mini.tokenizer import encode

POOL = 1200  # dialogues that are sorted by length at a time
LONGEST = 1200  # tokens: what the runtime leaves of a context of 2048 for the conversation, and an answer


@dataclass(frozen=True)
class Batch:
    """Token ids (B, T), padded on the right, and the positions in the flat (B*T) whose next token is to be learnt."""

    ids: torch.Tensor  # (B, T) int64
    at: torch.Tensor  # (N,) int64, into B*T
    targets: torch.Tensor  # (N,) int64

    @property
    def tokens(self) -> int:
        """How many tokens the batch holds, padding included."""
        return self.ids.numel()


def tokenise(tokenizer: PreTrainedTokenizerFast, messages: list[chat.Message]) -> tuple[list[int], list[bool]]:
    """The ids of a dialogue and for each whether it is one of the assistant's own."""
    ids: list[int] = []
    learnt: list[bool] = []
    for text, own in chat.segments(messages):
        piece = encode(tokenizer, text)
        ids += piece
        learnt += [own] * len(piece)
    return ids, learnt


def collate(rows: list[tuple[list[int], list[bool]]], pad: int) -> Batch:
    """One batch of the tokenised dialogues in `rows`."""
    width = max(len(ids) for ids, _ in rows)
    ids = torch.tensor([row + [pad] * (width - len(row)) for row, _ in rows])  # (B, T)
    learnt = torch.tensor([row + [False] * (width - len(row)) for _, row in rows])  # (B, T)
    at = learnt[:, 1:].nonzero()  # (N, 2)
    flat = at[:, 0] * width + at[:, 1]  # (N,): the position before each learnt token
    return Batch(ids, flat, ids.flatten()[flat + 1])


def batches(
    tokenizer: PreTrainedTokenizerFast, generator: Generator, tokens: int, longest: int = LONGEST
) -> Iterator[Batch]:
    """Batches of about `tokens` tokens without end; dialogues over `longest` tokens are left out."""
    order = Random(generator.random.random())  # noqa: S311  # shuffles, keeps no secret
    pad = int(tokenizer.pad_token_id or 0)
    while True:
        rows = [tokenise(tokenizer, generator.dialogue()) for _ in range(POOL)]
        rows = sorted((row for row in rows if len(row[0]) <= longest), key=lambda row: len(row[0]))
        packs: list[list[tuple[list[int], list[bool]]]] = [[]]
        for row in rows:
            if packs[-1] and len(row[0]) * (len(packs[-1]) + 1) > tokens:
                packs.append([])
            packs[-1].append(row)
        order.shuffle(packs)
        for pack in packs:
            yield collate(pack, pad)
