"""A Hugging Face tokenizer in the terms of llama.cpp: kinds of tokens, special tokens, what is added around a text.

What counts is what the tokenizer does as transformers loads it, which need not be what its files say.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gguf
from transformers import AutoTokenizer, PretrainedConfig, PreTrainedTokenizerFast

from so8t.training.export import byte_level, sentencepiece, unigram
from so8t.training.export.errors import UnreadableFolder, UnsupportedTokenizer, VocabularyGap, told_as
from so8t.training.export.vocabulary import Split, Vocabulary

Json = dict[str, Any]
FILES = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt")  # what transformers can make one of


def load(folder: Path) -> PreTrainedTokenizerFast:
    """The tokenizer of a folder. Raises UnreadableFolder, UnsupportedTokenizer."""
    if not any((folder / file).is_file() for file in FILES):
        raise UnreadableFolder(f"{folder} has no tokenizer: none of {', '.join(FILES)}")
    with told_as(UnreadableFolder, f"{folder}: no tokenizer"):
        tokenizer = AutoTokenizer.from_pretrained(folder)
    if not isinstance(tokenizer, PreTrainedTokenizerFast):
        raise UnsupportedTokenizer(f"{type(tokenizer).__name__} has no tokenizer.json, which is what is read here")
    return tokenizer


def read(tokenizer: PreTrainedTokenizerFast, config: PretrainedConfig) -> Vocabulary:
    """The vocabulary, padded to the rows of the model's embedding.

    Raises UnsupportedTokenizer, VocabularyGap.
    """
    state: Json = json.loads(tokenizer.backend_tokenizer.to_str())
    pieces = _pieces(tokenizer)
    _check_added(state)
    split = _split(state, pieces)
    before, after = _around(tokenizer)
    eos = _eos(tokenizer, config)
    return Vocabulary(
        split=split,
        pieces=pieces,
        types=_types(state, pieces, split, tokenizer.unk_token),
        bos=tokenizer.bos_token_id if before is None else before,
        eos=eos,
        eot=eos if _closes_turns(tokenizer, pieces[eos]) else None,
        unk=tokenizer.unk_token_id if split.model != "gpt2" else None,
        pad=tokenizer.pad_token_id,
        add_bos=before is not None,
        add_eos=after,
        chat_template=_template(tokenizer),
    ).padded(config.vocab_size)


def _pieces(tokenizer: PreTrainedTokenizerFast) -> tuple[str, ...]:
    numbered = sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])
    for expected, (piece, number) in enumerate(numbered):
        if number != expected:
            raise VocabularyGap(f"the token ids have a gap: {piece!r} is {number}, but nothing is {expected}")
    return tuple(piece for piece, _ in numbered)


def _check_added(state: Json) -> None:
    """llama.cpp finds an added token wherever its text stands, before anything else happens to the text."""
    changed = state["normalizer"] is not None and state["normalizer"]["type"] != "NFC"
    for token in state["added_tokens"]:
        odd = [flag for flag in ("single_word", "lstrip", "rstrip") if token[flag]]
        if changed and token["normalized"]:
            odd.append("normalized")
        if odd:
            raise UnsupportedTokenizer(
                f"the added token {token['content']!r} is {', '.join(odd)}, which llama.cpp does not know:"
                f" make it with AddedToken({', '.join(f'{flag}=False' for flag in odd)})"
            )


def _split(state: Json, pieces: tuple[str, ...]) -> Split:
    model = state["model"]
    if model["type"] == "BPE" and model.get("byte_fallback"):
        return sentencepiece.split(state, pieces)
    if model["type"] == "BPE":
        return byte_level.split(state, pieces)
    if model["type"] == "Unigram":
        return unigram.split(state, pieces)
    raise UnsupportedTokenizer(f"a tokenizer of the type {model['type']!r}: only BPE and Unigram can be written")


def _types(state: Json, pieces: tuple[str, ...], split: Split, unknown: Any) -> tuple[gguf.TokenType, ...]:
    kinds = dict.fromkeys(sentencepiece.BYTES, gguf.TokenType.BYTE) if split.model == "llama" else {}
    for token in state["added_tokens"]:
        kinds[token["content"]] = gguf.TokenType.CONTROL if token["special"] else gguf.TokenType.USER_DEFINED
    if split.model != "gpt2" and unknown is not None:
        kinds[str(unknown)] = gguf.TokenType.UNKNOWN
    return tuple(kinds.get(piece, gguf.TokenType.NORMAL) for piece in pieces)


def _around(tokenizer: PreTrainedTokenizerFast) -> tuple[int | None, bool]:
    """The token that is put before a text, and whether eos is put behind it."""
    bare: list[int] = tokenizer("a", add_special_tokens=False)["input_ids"]
    full: list[int] = tokenizer("a")["input_ids"]
    for before in (0, 1):
        rest = full[before + len(bare) :]
        if full[before : before + len(bare)] == bare and rest in ([], [tokenizer.eos_token_id]):
            return (full[0] if before else None), bool(rest)
    raise UnsupportedTokenizer(
        f"it makes {full} of the tokens {bare}; llama.cpp can only put one token before a text and eos behind it"
    )


def _eos(tokenizer: PreTrainedTokenizerFast, config: PretrainedConfig) -> int:
    """llama.cpp would take some other token for the end where the file names none."""
    stated = config.eos_token_id if tokenizer.eos_token_id is None else tokenizer.eos_token_id
    number = stated[0] if isinstance(stated, list) and stated else stated
    if not isinstance(number, int):
        raise UnsupportedTokenizer("neither the tokenizer nor config.json says which token ends a text (eos)")
    if not 0 <= number < len(tokenizer):
        raise VocabularyGap(f"eos is {number}, but the tokenizer has only {len(tokenizer)} tokens")
    return number


def _template(tokenizer: PreTrainedTokenizerFast) -> str | None:
    template = tokenizer.chat_template
    if isinstance(template, dict):
        template = template.get("default")
    return template or None


def _closes_turns(tokenizer: PreTrainedTokenizerFast, eos: str) -> bool:
    template = _template(tokenizer)
    return template is not None and (eos in template or "eos_token" in template)
