"""`so8t train cases check`: are these cases fit to learn from?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from so8t.training.data import files, leaks
from so8t.training.data.example import Example
from so8t.training.data.files import CasesBroken
from so8t.training.data.leaks import Guess, call_text, guess, user_text
from so8t.training.data.load import NO_COPIES, Counts, NoCases, read
from so8t.training.data.near import grouped
from so8t.training.data.splits import SplitError
from so8t.training.verdicts import WholeText

DIMENSIONS = ("label", "lang", "category", "difficulty", "source")


@dataclass(frozen=True, slots=True)
class Checked:
    """What was found."""

    cases: int
    counts: Counts  # lines that are no labelled case
    broken: tuple[str, ...]  # a message for each file with broken lines
    by: dict[str, dict[str, int]]  # dimension -> value -> cases
    pairs: int  # groups of a `pair` whose labels differ
    turns: int  # cases without a call
    tools: int  # distinct names
    alike: tuple[tuple[str, ...], ...]  # ids of cases that are nearly the same, and no pair
    contradictions: tuple[tuple[str, ...], ...]  # ids of cases that look the same and differ in label
    label_words: dict[str, dict[str, int]]  # word -> label -> cases
    guesses: tuple[Guess, ...]  # what a bag of words gets; () where there are too few cases

    @property
    def sound(self) -> bool:
        """Nothing that must be mended: leaks and near-duplicates are for a person to judge."""
        return not self.broken and not self.contradictions

    def json(self) -> dict[str, Any]:
        """Everything."""
        guesses = [
            {"part": g.part, "n": g.n, "balanced_accuracy": g.balanced_accuracy, "auroc": g.auroc} for g in self.guesses
        ]
        plain = {name: getattr(self, name) for name in ("cases", "broken", "by", "pairs", "turns", "tools", "alike")}
        return plain | {
            "unlabelled": self.counts.unlabelled,
            "contradictions": self.contradictions,
            "label_words": self.label_words,
            "guesses": guesses,
            "sound": self.sound,
        }

    def __str__(self) -> str:
        lines = [f"{self.cases:,} cases; {self.counts}", *self.broken]
        for name, values in self.by.items():
            lines.append(f"{name}: " + ", ".join(f"{value or '(none)'} {n}" for value, n in values.items()))
        lines.append(f"{self.pairs} minimal pairs, {self.turns} turns without a call, {self.tools} distinct tools")
        lines.append(f"{len(self.alike)} groups of near-duplicates" + _some(self.alike))
        lines.append(f"{len(self.contradictions)} contradictions" + _some(self.contradictions))
        words = ", ".join(f"{word} {labels}" for word, labels in list(self.label_words.items())[:8])
        lines.append(f"words that sound like a label: {words or 'none'}")
        lines.append("what a bag of words alone gets (chance: 0.333 and 0.5); a high figure is a leak:")
        return "\n".join([*lines, *(f"  {guess}" for guess in self.guesses)])


def check(paths: Sequence[Path]) -> Checked:
    """Read every file and look. Raises FileMissing, DuplicateId, NoCases."""
    counts, broken, found = Counts(), list[str](), list[Example]()
    for path in files.found(paths):
        try:
            found.extend(read([path], WholeText(), counts, copies=NO_COPIES))
        except CasesBroken as error:  # it comes after the last line: what can be read was
            broken.append(str(error))
    if not found:
        raise NoCases(f"there is no labelled case ({counts}): name files in the form of gate/cases.py")
    examples = grouped(found)
    calls = [e.case.proposal.call for e in found if e.case.proposal.call]
    return Checked(
        cases=len(found),
        counts=counts,
        broken=tuple(broken),
        by={name: _count(str(getattr(e.case, name) or "") for e in found) for name in DIMENSIONS},
        pairs=_pairs(found),
        turns=len(found) - len(calls),
        tools=len({call.name for call in calls}),
        alike=_alike(found, examples),
        contradictions=tuple(leaks.contradictions(found)),
        label_words={word: dict(labels) for word, labels in leaks.label_words(found).items()},
        guesses=_guesses(examples),
    )


def _count(values: Any) -> dict[str, int]:
    return dict(Counter(values).most_common())


def _pairs(found: Sequence[Example]) -> int:
    labels: dict[str, set[int]] = {}
    for e in found:
        if e.case.pair:
            labels.setdefault(e.case.pair, set()).add(e.target)
    return sum(len(of) > 1 for of in labels.values())


def _alike(found: Sequence[Example], examples: Sequence[Example]) -> tuple[tuple[str, ...], ...]:
    """Groups that hold more than one pair or single case."""
    members: dict[str, dict[str, list[str]]] = {}
    for before, after in zip(found, examples, strict=True):
        members.setdefault(after.group, {}).setdefault(before.group, []).append(before.case.id)
    return tuple(tuple(id for ids in of.values() for id in ids) for of in members.values() if len(of) > 1)


def _guesses(examples: Sequence[Example]) -> tuple[Guess, ...]:
    calls = [e for e in examples if e.case.proposal.call]
    asked: list[tuple[Sequence[Example], str, Callable[[Example], str]]] = [
        (examples, "user text", user_text),
        (calls, "call", call_text),
        (calls, "user text and call", lambda e: f"{user_text(e)}\n{call_text(e)}"),
        ([e for e in examples if e.case.pair], "user text, pairs", user_text),
    ]
    found = []
    for some, part, text in asked:
        try:
            found.append(guess(some, part, text))
        except (SplitError, ValueError):  # too few cases, or no word twice
            continue
    return tuple(found)


def _some(groups: Sequence[Sequence[str]], most: int = 3) -> str:
    shown = "; ".join(" = ".join(group) for group in groups[:most])
    return f": {shown}" + (f" and {len(groups) - most} more" if len(groups) > most else "") if groups else ""
