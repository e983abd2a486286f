"""Which writing systems a text uses: letters that the backbone cannot read, and words made to look like other words."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import regex

from so8t.gate.names import unknown

# Scripts in everyday use (Unicode TR31, table 5) that may stand alone in a word; others are never ordinary text.
_EAST_ASIAN = ("Latin", "Han", "Hiragana", "Katakana", "Bopomofo", "Hangul")  # share a word (Unicode TR39, 5.2)
_ALONE = (
    *("Cyrillic", "Greek", "Armenian", "Hebrew", "Arabic", "Devanagari", "Bengali", "Gurmukhi", "Gujarati", "Oriya"),
    *("Tamil", "Telugu", "Kannada", "Malayalam", "Sinhala", "Thai", "Lao", "Tibetan", "Myanmar", "Georgian"),
    *("Ethiopic", "Khmer", "Thaana"),
)
EVERYDAY = (*_EAST_ASIAN, *_ALONE)

_WORD = regex.compile(r"[\p{L}\p{M}\p{N}_]+")
_STYLED = regex.compile(r"[\U0001D400-\U0001D7CB\u24B6-\u24E9\U0001F130-\U0001F189]{2,}")
# Letters that cannot be told from Latin ones as they stand (Unicode TR39, confusables.txt).
_TWINS = regex.compile(r"[аеорсухіјѕԁһӏԛԝүѵАВЕЅІЈКМНОРСТХαονιΑΒΕΖΗΙΚΜΝΟΡΤΥΧ]{3,}")
_GREEK_SYMBOL = regex.compile(r"[ΔΓΘΛΞΠΣΦΨΩβγδεζηθλμξπσφψω]")  # one of them in a word is a unit or a formula: kΩ, Δx
_GREEK_ALONE = regex.compile(r"(?<![\p{L}])\p{sc=Greek}(?![\p{L}])")


def check(names: Iterable[str]) -> None:
    """Raises ValueError for a script that Unicode does not have or that nobody reads today."""
    for name in names:
        if name not in EVERYDAY:
            raise ValueError(unknown("script", name, EVERYDAY))


def foreign_letters(text: str, readable: tuple[str, ...]) -> tuple[int, int]:
    """How many letters lie outside of the readable scripts, and how many letters there are."""
    text = _GREEK_ALONE.sub("", text)
    letters = len(regex.findall(r"\p{L}", text))
    return len(_outside(readable).findall(text)), letters


def mixed_word(text: str) -> str | None:
    """The first word that mixes scripts which no language mixes, or that is spelled in styled or twin letters."""
    styled = _STYLED.search(text)
    if styled:
        return styled.group()
    for match in _WORD.finditer(text):
        word = match.group()
        if not word.isascii() and not _one_language(word):
            return word
    return None


def twin_word(text: str, readable: tuple[str, ...]) -> str | None:
    """The first whole word of Cyrillic or Greek letters that looks like a Latin word."""
    if "Cyrillic" in readable or "Greek" in readable:
        return None
    for match in _WORD.finditer(text):
        if _TWINS.fullmatch(match.group()):
            return match.group()
    return None


def _one_language(word: str) -> bool:
    symbols = _GREEK_SYMBOL.findall(word)
    word = word.replace(symbols[0], "") if len(symbols) == 1 and regex.search(r"\p{Latin}", word) else word
    return any(pattern.fullmatch(word) for pattern in _languages())


@lru_cache(maxsize=1)
def _languages() -> tuple[regex.Pattern[str], ...]:
    groups = [_EAST_ASIAN, *((name,) for name in _ALONE)]
    return tuple(regex.compile(f"[{_classes(group)}\\p{{N}}_]*") for group in groups)


@lru_cache(maxsize=8)
def _outside(readable: tuple[str, ...]) -> regex.Pattern[str]:
    return regex.compile(rf"[\p{{L}}--[{_classes(readable)}]]", regex.VERSION1)


def _classes(scripts: Iterable[str]) -> str:
    return r"\p{sc=Common}\p{sc=Inherited}" + "".join(rf"\p{{scx={name}}}" for name in scripts)
