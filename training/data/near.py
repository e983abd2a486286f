"""Which examples are so alike that they must not be split: pairs, and near-duplicates by the words that they share.

Alike: the Jaccard index of two texts' shingles (words, and pairs of neighbouring words) reaches a threshold. Candidates
come from an inverted index over each text's rarest shingles: two sets of that likeness must share one of those (the
prefix filter of Bayardo, Ma and Srikant, "Scaling Up All Pairs Similarity Search", WWW 2007, section 4).
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict, deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

import regex

from so8t.training.data.example import Example

ALIKE = 0.6  # Jaccard index of two renderings: one value, name or turn of phrase changed
SAME_WORDS = 0.8  # of what two users said, whatever the call
FEWEST = 6  # words of a user: shorter requests are alike by chance
RECENT = 200  # texts of one rare shingle that a text is compared with: those nearest to it in length

_WORD = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}]|\w+")

Shingles = tuple[int, ...]  # sorted numbers, the rarest shingle first


def grouped(examples: Sequence[Example]) -> list[Example]:
    """The same examples in the same order; those that are a pair or near-duplicates have one group name."""
    sets = Groups(len(examples))
    first: dict[str, int] = {}
    for i, example in enumerate(examples):
        sets.join(i, first.setdefault(example.group, i))
    for a, b in alike(["\n".join(e.windows) for e in examples], ALIKE):
        sets.join(a, b)
    said = ["\n".join(m.content for m in e.case.proposal.messages if m.role == "user") for e in examples]
    for a, b in alike([text if len(_words(text)) >= FEWEST else "" for text in said], SAME_WORDS):
        sets.join(a, b)
    names: dict[int, str] = {}
    for i, example in enumerate(examples):
        root = sets.root(i)
        names[root] = min(names.get(root, example.group), example.group)
    return [replace(example, group=names[sets.root(i)]) for i, example in enumerate(examples)]


def alike(texts: Sequence[str], threshold: float) -> Iterator[tuple[int, int]]:
    """Pairs of texts that join all that are alike, directly or through others. A text without a word is like none.

    Not every alike pair is named: one that others connect may be left out. Where one of their rare shingles stands in
    more than RECENT texts, a text is compared with the RECENT ones nearest in length, so that time stays linear.
    """
    sets = _shingles(texts)
    representatives: dict[Shingles, int] = {}
    for i, shingles in enumerate(sets):
        if shingles and (same := representatives.setdefault(shingles, i)) != i:
            yield same, i
    yield from _joined(sorted(representatives.items(), key=lambda item: (len(item[0]), item)), threshold)


def jaccard(a: str, b: str) -> float:
    """Shared shingles over all shingles of two texts; 0 where neither has a word."""
    one, other = _features(a), _features(b)
    return len(one & other) / len(one | other) if one | other else 0.0


class Groups:
    """Disjoint sets of 0..n-1 (union-find with path halving)."""

    def __init__(self, n: int) -> None:
        self._parent = list(range(n))

    def root(self, i: int) -> int:
        """The same number for all of one set."""
        while self._parent[i] != i:
            self._parent[i] = i = self._parent[self._parent[i]]
        return i

    def join(self, a: int, b: int) -> None:
        """Make one set of two."""
        one, other = sorted((self.root(a), self.root(b)))
        self._parent[other] = one


def _joined(ordered: Sequence[tuple[Shingles, int]], threshold: float) -> Iterator[tuple[int, int]]:
    """Sets in order of size, so that an earlier one is never larger."""
    groups = Groups(len(ordered))
    index: dict[int, deque[int]] = defaultdict(lambda: deque(maxlen=RECENT))
    full = [frozenset(shingles) for shingles, _ in ordered]
    for i, (shingles, number) in enumerate(ordered):
        size = len(shingles)
        least = math.ceil(threshold * size - 1e-9)  # as many does an alike set share with this one, and have itself
        rare = shingles[: size - least + 1]
        for j in sorted({j for shingle in rare for j in index[shingle]}, reverse=True):
            if len(full[j]) < least:
                break  # these and all before them are too small
            shared = len(full[i] & full[j])
            if groups.root(i) != groups.root(j) and shared >= threshold * (size + len(full[j]) - shared) - 1e-9:
                groups.join(i, j)
                yield ordered[j][1], number
        for shingle in rare:
            index[shingle].append(i)


def _shingles(texts: Sequence[str]) -> list[Shingles]:
    counts = Counter(shingle for text in texts for shingle in _features(text))
    numbers = {shingle: n for n, (shingle, _) in enumerate(sorted(counts.items(), key=lambda item: (item[1], item[0])))}
    return [tuple(sorted(numbers[shingle] for shingle in _features(text))) for text in texts]


def _features(text: str) -> set[str]:
    words = _words(text)
    return {*words, *(f"{a} {b}" for a, b in pairwise(words))}


def _words(text: str) -> list[str]:
    found: list[str] = _WORD.findall(text.casefold())
    return found
