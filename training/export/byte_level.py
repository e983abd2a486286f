"""Byte-level BPE (GPT-2, Llama 3, Qwen): which of llama.cpp's pre-tokenizers splits text as this tokenizer does.

llama.cpp knows pre-tokenizers by name only. Each name here stands for the exact patterns that it implements; patterns
that are not here are an error, since a near miss gives other tokens on some texts without anybody noticing.
"""

from __future__ import annotations

import re
from typing import Any

from tokenizers import pre_tokenizers

from so8t.training.export.errors import UnsupportedTokenizer, VocabularyGap
from so8t.training.export.vocabulary import Split

Json = dict[str, Any]
_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}%s| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+"
)
QWEN, LLAMA3 = _WORDS % "", _WORDS % "{1,3}"  # one digit a token, or up to three
GPT2 = "ByteLevel"  # the pattern that is built into that pre-tokenizer
LETTERS = "[A-Za-z]+"  # so8t-mini's: merges inside runs of these letters only

# (patterns, ignore_merges) -> tokenizer.ggml.pre
NAMES = {
    ((QWEN,), False): "qwen2",
    ((LLAMA3,), True): "llama-bpe",
    ((LLAMA3,), False): "smaug-bpe",
    ((GPT2,), False): "gpt-2",
    (("Digits", GPT2), False): "smollm",
}
NFC = (
    "the tokenizer composes characters (NFC) and llama.cpp does not: text that is not in NFC gets other tokens"
    " unless unicodedata.normalize('NFC', text) goes before"
)


def split(state: Json, pieces: tuple[str, ...]) -> Split:
    """How llama.cpp cuts as this tokenizer does.

    Args:
        state: what tokenizer.json says.
        pieces: the text of each token.

    Raises UnsupportedTokenizer, which names the patterns; VocabularyGap for a byte without a token.
    """
    model = state["model"]
    for key in ("dropout", "continuing_subword_prefix", "end_of_word_suffix"):
        if model.get(key):
            raise UnsupportedTokenizer(f"BPE with {key} = {model[key]!r}, which llama.cpp does not have")
    merges = tuple(pair if isinstance(pair, str) else " ".join(pair) for pair in model["merges"])
    name, notes = _name(state, merges), _notes(state["normalizer"])
    if missing := set(pre_tokenizers.ByteLevel.alphabet()) - set(pieces):
        raise VocabularyGap(f"{len(missing)} of the 256 bytes have no token ({min(missing)!r}): not a byte-level BPE")
    return Split("gpt2", name, merges=merges, notes=notes)


def _name(state: Json, merges: tuple[str, ...]) -> str:
    patterns = _patterns(state["pre_tokenizer"])
    ignore = bool(state["model"].get("ignore_merges"))
    if patterns == (LETTERS,) and not ignore:
        return _of_letters(merges)
    if (patterns, ignore) not in NAMES:
        how = " with ignore_merges" if ignore else ""
        raise UnsupportedTokenizer(
            f"the pre-tokenizer {' then '.join(patterns)}{how} has no known name in llama.cpp;"
            f" known: {', '.join(sorted(NAMES.values()))} and that of so8t-mini"
        )
    return NAMES[patterns, ignore]


def _of_letters(merges: tuple[str, ...]) -> str:
    """llama.cpp's "deepseek-coder" never splits a run of these letters: the same, if nothing else can merge."""
    if odd := next((merge for merge in merges if not re.fullmatch("[A-Za-z]+ [A-Za-z]+", merge)), None):
        raise UnsupportedTokenizer(f"the pre-tokenizer {LETTERS} with merges of more than letters, as {odd!r}")
    return "deepseek-coder"


def _patterns(pre: Json | None) -> tuple[str, ...]:
    """What splits the text, in order. ByteLevel without its pattern only spells bytes as characters."""
    steps: list[Json] = (pre["pretokenizers"] if pre["type"] == "Sequence" else [pre]) if pre else []
    if not steps or steps[-1]["type"] != "ByteLevel" or steps[-1].get("add_prefix_space"):
        raise UnsupportedTokenizer(f"BPE without byte fallback whose pre-tokenizer is {pre}: not a byte-level BPE")
    found = [_pattern(step) for step in steps[:-1]]
    return (*found, GPT2) if steps[-1].get("use_regex", True) else tuple(found)


def _pattern(step: Json) -> str:
    if step["type"] == "Digits" and step["individual_digits"]:
        return "Digits"
    if step["type"] == "Split" and step["behavior"] == "Isolated" and not step["invert"] and "Regex" in step["pattern"]:
        return str(step["pattern"]["Regex"])
    return str(step)


def _notes(normalizer: Json | None) -> tuple[str, ...]:
    if normalizer is None:
        return ()
    if normalizer["type"] == "NFC":
        return (NFC,)
    raise UnsupportedTokenizer(f"the normalizer {normalizer['type']}; llama.cpp has none for byte-level BPE")
