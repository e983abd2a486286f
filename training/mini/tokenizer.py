"""The tokenizer of so8t-mini: byte-level BPE whose merges stay inside runs of the letters a-z and A-Z.

Each digit, space, punctuation mark and each byte of any other character is a token of its own, so that a copied value
is the same tokens in the user's words and in the call. The fixed fragments of a call are single tokens.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from so8t.training.mini import chat

VOCABULARY = 2048
PIECE_LIMIT = 30  # bytes; llama.cpp's high-level detokenizer cuts pieces over 32
FIRST_KEYS = ("path", "text", "expression", "timezone", "database", "note", "query", "url")
LATER_KEYS = ("content", "path", "query")
TOOLS = (
    "list_files", "read_file", "write_file", "search_text", "calculator",
    "current_time", "sqlite_query", "remember", "recall", "http_get",
)  # fmt: skip
FRAGMENTS = (
    chat.CALL_OPEN,
    *(f'{tool}", "arguments": {{' for tool in TOOLS),
    *(f'"{key}": "' for key in FIRST_KEYS),
    *(f'", "{key}": "' for key in LATER_KEYS),
    '", "overwrite": true',
    chat.CALL_CLOSE,
    '"' + chat.CALL_CLOSE,
)
LETTERS = re.compile(r"[A-Za-z]+")


def train(texts: Iterable[str], size: int = VOCABULARY) -> PreTrainedTokenizerFast:
    """Learn the merges from `texts`; the vocabulary has `size` tokens, control tokens and fragments included."""
    control = [AddedToken(token, special=True, normalized=False) for token in chat.CONTROL]
    fragments = [AddedToken(token, special=False, normalized=False) for token in FRAGMENTS]
    tokenizer = framed(models.BPE())
    trainer = trainers.BpeTrainer(
        vocab_size=size - len(fragments),
        special_tokens=list(control),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator((" ".join(LETTERS.findall(text)) for text in _pure(texts)), trainer)
    tokenizer.add_tokens(fragments)
    return wrap(tokenizer)


def framed(model: models.BPE) -> Tokenizer:
    """A tokenizer whose merges stay inside runs of letters."""
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex("[A-Za-z]+"), "isolated"), pre_tokenizers.ByteLevel(False, use_regex=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def _pure(texts: Iterable[str]) -> Iterable[str]:
    """The texts without the fragments, whose letters must not count for the merges."""
    known = re.compile(
        "|".join(re.escape(token) for token in sorted((*chat.CONTROL, *FRAGMENTS), key=len, reverse=True))
    )
    for text in texts:
        yield known.sub(" ", text)


def wrap(tokenizer: Tokenizer) -> PreTrainedTokenizerFast:
    """The tokenizer in the form that transformers saves and loads, with the chat template."""
    fast = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]  # untyped in transformers
        tokenizer_object=tokenizer, eos_token=chat.END, pad_token=chat.PAD, clean_up_tokenization_spaces=False
    )
    fast.chat_template = chat.TEMPLATE
    return fast


def load(folder: Path) -> PreTrainedTokenizerFast:
    """The tokenizer that `save_pretrained` wrote to `folder`."""
    return wrap(Tokenizer.from_file(str(folder / "tokenizer.json")))


def encode(tokenizer: PreTrainedTokenizerFast, text: str) -> list[int]:
    """The token ids of a rendered text."""
    ids: list[int] = tokenizer.backend_tokenizer.encode(text, add_special_tokens=False).ids
    return ids


def merges(tokenizer: PreTrainedTokenizerFast) -> list[str]:
    """The merges in the order learned, each as `left right`."""
    import json

    model: dict[str, Any] = json.loads(tokenizer.backend_tokenizer.to_str())["model"]
    return [pair if isinstance(pair, str) else " ".join(pair) for pair in model["merges"]]
