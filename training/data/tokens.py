"""How a text becomes token ids in training: exactly as the gate's own backbone makes them.

An encoder is read through the gate's WordPiece, a language model through its Hugging Face tokenizer (llama.cpp gives a
GGUF file the same ids). Nothing here changes a tokenizer: one without a pad token keeps its vocabulary as it is.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from transformers import PreTrainedTokenizerBase

from so8t.gate.backbones import Rendered
from so8t.gate.backbones.encoder_tokens import WordPiece
from so8t.gate.backbones.llama_native import MAX_TOKENS
from so8t.gate.windows import split


class TokensError(Exception):
    """The root of this module's errors."""


class TokenizerMismatch(TokensError):
    """The tokenizer is not the one that the base model was trained with."""


class Tokens(Protocol):
    """Text to token ids."""

    @property
    def pad(self) -> int:
        """The id that fills up a row. Any id would do: the attention mask decides what is read."""
        ...

    @property
    def size(self) -> int:
        """Every id is below it."""
        ...

    @property
    def closing(self) -> int:
        """How many special tokens end a framed text."""
        ...

    def framed(self, text: str) -> list[int]:
        """The ids of the text and the special tokens around it. The text itself never becomes a special token."""
        ...

    def windows(self, rendered: Rendered) -> list[str]:
        """The windows that the gate's backbone reads. Raises windows.TooLong."""
        ...


class WordPieceTokens:
    """The gate's own tokenizer of its BERT encoders."""

    def __init__(self, vocab: Path) -> None:
        """Read vocab.txt. Raises encoder_tokens.VocabularyError."""
        self._tokens = WordPiece(vocab)
        pieces = vocab.read_text(encoding="utf-8").splitlines()
        self.size = len(pieces)
        self.pad = pieces.index("[PAD]") if "[PAD]" in pieces else 0
        self.closing = 1

    def framed(self, text: str) -> list[int]:
        """[CLS], the ids of the text, [SEP]."""
        return self._tokens.framed(text)

    def windows(self, rendered: Rendered) -> list[str]:
        """As encoder_service splits them. Raises windows.TooLong."""
        return split(rendered, self._tokens.count, MAX_TOKENS - 2)


class HuggingFaceTokens:
    """The tokenizer of any base model in the layout of Hugging Face."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self._tokenizer = tokenizer
        self.size = max(tokenizer.get_vocab().values()) + 1
        fallback = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
        self.pad = int(fallback) if isinstance(fallback, int) else 0
        self.closing = _closing(tokenizer)

    def framed(self, text: str) -> list[int]:
        """The ids of the text, with the special tokens that the model puts around a text."""
        ids: list[int] = self._tokenizer(text, split_special_tokens=True, verbose=False)["input_ids"]
        return ids

    def windows(self, rendered: Rendered) -> list[str]:
        """As decoder_service splits them. Raises windows.TooLong."""
        return split(rendered, lambda text: len(self.framed(text)), MAX_TOKENS)


def check_base(tokens: Tokens, rows: int) -> None:
    """Whether an embedding of `rows` rows can belong to this tokenizer.

    A base's embedding is often padded to a round number, never to twice what it needs.

    Raises:
        TokenizerMismatch: it cannot.
    """
    if tokens.size > rows or tokens.size * 2 < rows:
        raise TokenizerMismatch(
            f"the tokenizer has {tokens.size} tokens, the base model's embedding {rows} rows: they do not belong"
            " together. Use the tokenizer that came with the base model, from the same folder"
        )


def _closing(tokenizer: PreTrainedTokenizerBase) -> int:
    mask: list[int] = tokenizer("a", return_special_tokens_mask=True)["special_tokens_mask"]
    return next((n for n, special in enumerate(reversed(mask)) if not special), 0)
