"""Unigram language models of SentencePiece: llama.cpp's "t5" tokenizer, which finds the same most likely pieces."""

from __future__ import annotations

from typing import Any

from so8t.training.export.errors import UnsupportedTokenizer
from so8t.training.export.sentencepiece import LEADING, SPACE
from so8t.training.export.vocabulary import Split

Json = dict[str, Any]


def split(state: Json, pieces: tuple[str, ...]) -> Split:
    """How llama.cpp cuts as this tokenizer does.

    Args:
        state: what tokenizer.json says.
        pieces: the text of each token.

    Raises UnsupportedTokenizer.
    """
    model, normalizer, pre = state["model"], state["normalizer"], state["pre_tokenizer"]
    if model.get("byte_fallback"):
        raise UnsupportedTokenizer("a unigram model with byte fallback, which llama.cpp does not have")
    if model.get("unk_id") is None:
        raise UnsupportedTokenizer("a unigram model without an unknown token (unk_id)")
    if normalizer is not None or not pre or pre["type"] != "Metaspace" or pre["prepend_scheme"] != "always":
        raise UnsupportedTokenizer(
            f"a unigram model with the normalizer {normalizer} and the pre-tokenizer {pre}; only no normalizer and"
            " Metaspace that always puts a space before can be written"
        )
    if inner := [piece for piece, _ in model["vocab"] if SPACE in piece[1:]]:
        raise UnsupportedTokenizer(
            f"the piece {inner[0]!r} goes over a space: llama.cpp would use it, the tokenizer not"
        )
    known = dict(model["vocab"])
    scores = tuple(float(known.get(piece, 0.0)) for piece in pieces)
    return Split(
        "t5", "default", scores=scores, add_space_prefix=True, remove_extra_whitespaces=False, notes=(LEADING,)
    )
