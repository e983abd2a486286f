"""The word lists beside this module, and choices that depend on nothing but a seed and what is chosen.

A choice is named, not numbered: a case in which one attribute is changed keeps all other words (see draw.pairs).
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import Any, TypeVar

FOLDER = Path(__file__).parent / "lexicon"
SLOT = re.compile(r"\{([A-Za-z]\w*)\}")
CHOICE = re.compile(r"\[([^\[\]]*\|[^\[\]]*)\]")
NUMBER = re.compile(r"n(\d)b?")
T = TypeVar("T")


@cache
def table(name: str) -> dict[str, Any]:
    """lexicon/NAME.toml."""
    return tomllib.loads((FOLDER / f"{name}.toml").read_text(encoding="utf-8"))


@cache
def words(name: str) -> tuple[str, ...]:
    """One list of words.toml: separated by | and line ends where a word has spaces, else by spaces."""
    text = table("words")[name].strip()
    return tuple(re.split(r"\s*[|\n]\s*", text)) if "|" in text else tuple(text.split())


class Dice:
    """Choices, each by its own name."""

    def __init__(self, seed: str) -> None:
        self.seed = seed

    def number(self, name: str) -> int:
        """0 ... 2^64 - 1."""
        return int.from_bytes(blake2b(f"{self.seed}/{name}".encode(), digest_size=8).digest())

    def pick(self, name: str, options: Sequence[T]) -> T:
        """One of the options."""
        return options[self.number(name) % len(options)]

    def chance(self, name: str) -> float:
        """A number in [0, 1)."""
        return self.number(name) / 2**64

    def below(self, name: str) -> Dice:
        """Choices that are independent of these."""
        return Dice(f"{self.seed}/{name}")


class Slots:
    """What {name}, {n4}, {city_l} ... stand for in one case."""

    def __init__(self, dice: Dice, given: Mapping[str, str] | None = None) -> None:
        self.dice = dice
        self.given = given or {}

    def value(self, slot: str) -> str:
        """The word for a slot; the same whenever it is asked for."""
        if slot in self.given:
            return self.given[slot]
        if number := NUMBER.fullmatch(slot):
            digits = int(number[1])
            return str(10 ** (digits - 1) + self.dice.number(slot) % (9 * 10 ** (digits - 1)))
        if special := SPECIAL.get(slot):
            return special(self)
        for ending, change in (("_l", str.lower), ("_up", str.upper)):
            if slot.endswith(ending):
                return change(self.value(slot.removesuffix(ending))).replace("ö", "o").replace(" ", "-")
        return self.dice.pick(slot, words(slot.rstrip("2")))

    def fill(self, template: str, change: Callable[[str], str] = str) -> str:
        """The template with its choices made and its slots filled; `change` is done to the words outside the slots."""
        template = CHOICE.sub(lambda found: self.dice.pick(found[0], found[1].split("|")), template)
        parts = SLOT.split(template)
        return "".join(self.value(part) if i % 2 else change(part) for i, part in enumerate(parts))

    def also(self, **given: str) -> Slots:
        """These, and more that are given."""
        return Slots(self.dice, {**self.given, **given})


SPECIAL: dict[str, Callable[[Slots], str]] = {
    "lower": lambda s: s.value("name").lower(),
    "Stem": lambda s: s.value("stem").capitalize().replace("_", " "),
    "year": lambda s: str(2015 + s.dice.number("year") % 11),
    "day_n": lambda s: str(1 + s.dice.number("day_n") % 28),
    "month_n": lambda s: str(1 + s.dice.number("month_n") % 12),
}
