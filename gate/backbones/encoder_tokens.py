"""WordPiece as BERT's uncased models were trained with it (Devlin et al., arXiv:1810.04805).

llama.cpp's own WordPiece is not used: it drops Hangul vowels and spacing marks (two different words then look the same)
and cuts words of over 100 characters into pieces where the training code gives [UNK]. Text that spells a special token,
such as "[SEP]", is ordinary text here.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from pathlib import Path

LONGEST_WORD = 100  # characters; a longer word is unknown, as in the original
_CJK = (
    (0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x2A6DF), (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F), (0x2B920, 0x2CEAF), (0xF900, 0xFAFF), (0x2F800, 0x2FA1F),
)  # fmt: skip


class VocabularyError(Exception):
    """The vocabulary file cannot be used."""


class WordPiece:
    """Text to token ids."""

    def __init__(self, vocab: Path) -> None:
        """Read vocab.txt: one piece a line, the id is the line number. Raises VocabularyError."""
        try:
            pieces = vocab.read_text(encoding="utf-8").splitlines()
        except (OSError, ValueError) as error:
            raise VocabularyError(f"{vocab.name}: {error}") from None
        self._ids = {piece: number for number, piece in enumerate(pieces)}
        try:
            self.unknown, self._cls, self._sep = (self._ids[name] for name in ("[UNK]", "[CLS]", "[SEP]"))
        except KeyError as error:
            raise VocabularyError(f"{vocab.name}: no {error.args[0]}") from None
        self._word = lru_cache(maxsize=16384)(self._pieces)

    def ids(self, text: str) -> list[int]:
        """The ids of the text, without [CLS] and [SEP]."""
        return [number for word in _words(text) for number in self._word(word)]

    def framed(self, text: str) -> list[int]:
        """[CLS], the ids of the text, [SEP]."""
        return [self._cls, *self.ids(text), self._sep]

    def count(self, text: str) -> int:
        """How many ids the text has."""
        return len(self.ids(text))

    def _pieces(self, word: str) -> tuple[int, ...]:
        """The longest piece that the vocabulary has, again and again; a word with a gap is unknown as a whole."""
        found: list[int] = []
        start = 0
        while start < len(word) <= LONGEST_WORD:
            mark = "##" if start else ""
            ends = range(len(word), start, -1)
            end = next((end for end in ends if mark + word[start:end] in self._ids), None)
            if end is None:
                return (self.unknown,)
            found.append(self._ids[mark + word[start:end]])
            start = end
        return tuple(found) if found else (self.unknown,)


def _words(text: str) -> list[str]:
    """Clean, split at CJK, strip accents, lower-case; then split at white space and around punctuation."""
    clean = "".join(map(_cleaned, text))
    bare = (c for c in unicodedata.normalize("NFD", clean) if unicodedata.category(c) != "Mn")
    lower = "".join(c.lower() for c in bare)  # each by itself: a final sigma stays a sigma
    return "".join(map(_spaced, lower)).split()


@lru_cache(maxsize=65536)
def _cleaned(c: str) -> str:
    if c in "\t\n\r":
        return " "
    if c in "\0\ufffd" or unicodedata.category(c) in ("Cc", "Cf", "Co", "Cs"):
        return ""
    if c.isspace():
        return " "
    return f" {c} " if any(low <= ord(c) <= high for low, high in _CJK) else c


@lru_cache(maxsize=65536)
def _spaced(c: str) -> str:
    ascii_symbol = c.isascii() and c.isprintable() and not c.isalnum() and c != " "
    return f" {c} " if ascii_symbol or unicodedata.category(c).startswith("P") else c
