"""A tokenizer in the terms of llama.cpp, and how it is written."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import gguf

from so8t.training.export.errors import VocabularyGap


@dataclass(frozen=True, slots=True)
class Split:
    """How llama.cpp cuts text into tokens."""

    model: str  # tokenizer.ggml.model: gpt2 (byte-level BPE), llama (SentencePiece BPE), t5 (unigram)
    pre: str  # tokenizer.ggml.pre: the pre-tokenizer's name
    merges: tuple[str, ...] = ()  # of byte-level BPE, in the order learned
    scores: tuple[float, ...] = ()  # of the others, one for each piece of the tokenizer
    add_space_prefix: bool = False
    remove_extra_whitespaces: bool | None = None
    notes: tuple[str, ...] = ()  # where llama.cpp still differs


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Everything that GGUF says about a tokenizer. One piece and type for each row of the embedding."""

    split: Split
    pieces: tuple[str, ...]
    types: tuple[gguf.TokenType, ...]
    bos: int | None
    eos: int
    eot: int | None  # what closes a turn, where the chat template says it
    unk: int | None
    pad: int | None
    add_bos: bool
    add_eos: bool
    chat_template: str | None

    def padded(self, rows: int) -> Vocabulary:
        """The vocabulary with unused pieces for the embedding rows that no token has. Raises VocabularyGap."""
        have = len(self.pieces)
        if have > rows:
            raise VocabularyGap(
                f"the tokenizer has {have} tokens, the model {rows} embedding rows: they do not belong together"
            )
        filling = tuple(f"[PAD{number}]" for number in range(have, rows))
        if taken := set(filling) & set(self.pieces):
            raise VocabularyGap(f"rows without a token cannot be filled: {min(taken)} is a token already")
        types = self.types + (gguf.TokenType.UNUSED,) * len(filling)
        return replace(self, pieces=self.pieces + filling, types=types)

    def write(self, writer: Any) -> None:
        """Add the vocabulary to a gguf.GGUFWriter."""
        writer.add_tokenizer_model(self.split.model)
        writer.add_tokenizer_pre(self.split.pre)
        writer.add_token_list(list(self.pieces))
        writer.add_token_types(list(self.types))
        if self.split.scores:
            filling = [self.split.scores[-1]] * (len(self.pieces) - len(self.split.scores))
            writer.add_token_scores([*self.split.scores, *filling])
        if self.split.model == "gpt2":
            writer.add_token_merges(list(self.split.merges))
        self._write_special(writer)
        writer.add_add_space_prefix(self.split.add_space_prefix)
        if self.split.remove_extra_whitespaces is not None:
            writer.add_remove_extra_whitespaces(self.split.remove_extra_whitespaces)
        if self.chat_template is not None:
            writer.add_chat_template(self.chat_template)

    def _write_special(self, writer: Any) -> None:
        for number, add in (
            (self.bos, writer.add_bos_token_id),
            (self.eos, writer.add_eos_token_id),
            (self.eot, writer.add_eot_token_id),
            (self.unk, writer.add_unk_token_id),
            (self.pad, writer.add_pad_token_id),
        ):
            if number is not None:
                add(number)
        writer.add_add_bos_token(self.add_bos)
        writer.add_add_eos_token(self.add_eos)
