"""Pairs and near-duplicates become one group, whatever connects them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("torch")
pytest.importorskip("transformers")

from labelled import example

from so8t.training.data.near import Groups, alike, grouped, jaccard

TEXTS = st.lists(st.lists(st.sampled_from("abcdef"), max_size=7).map(" ".join), max_size=12)


def components(n: int, joins: Sequence[tuple[int, int]]) -> set[frozenset[int]]:
    sets = Groups(n)
    for a, b in joins:
        sets.join(a, b)
    return {frozenset(j for j in range(n) if sets.root(j) == sets.root(i)) for i in range(n)}


def groups(*examples: object) -> list[str]:
    return [e.group for e in grouped(examples)]  # type: ignore[arg-type]  # short for the tests below


@given(TEXTS, st.sampled_from([0.3, 0.5, 0.6, 0.8, 1.0]))
def test_what_is_joined_is_exactly_what_comparing_all_with_all_joins(texts: list[str], threshold: float) -> None:
    every = [
        (a, b)
        for a, b in combinations(range(len(texts)), 2)
        if texts[a] and texts[b] and jaccard(texts[a], texts[b]) >= threshold - 1e-9
    ]
    assert components(len(texts), list(alike(texts, threshold))) == components(len(texts), every)


@given(TEXTS)
def test_no_pair_is_named_that_is_not_alike(texts: list[str]) -> None:
    assert all(jaccard(texts[a], texts[b]) >= 0.6 for a, b in alike(texts, 0.6))


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9))))
def test_joined_sets_are_disjoint_and_hold_everything(joins: list[tuple[int, int]]) -> None:
    found = components(10, joins)
    assert sorted(i for part in found for i in part) == list(range(10))
    assert all(any({a, b} <= part for part in found) for a, b in joins)


def test_a_request_with_one_name_changed_is_a_near_duplicate() -> None:
    a = example("a", said="please move the quarterly report for Anna to the archive folder and tell her")
    b = example("b", said="please move the quarterly report for Bert to the archive folder and tell her")
    c = example("c", said="turn the heating in the conference room down before everybody leaves tonight")
    assert groups(a, b, c) == ["a", "a", "c"]


def test_the_same_request_with_another_call_is_one_group() -> None:
    said = "clean up the old thumbnails in the assets folder"
    a = example("a", said=said, windows=("¶ call delete ¶ from model path: assets/thumbs",))
    b = example("b", said=said, windows=("¶ call bash ¶ from model command: rm -rf /srv/all/of/it now",))
    assert groups(a, b) == ["a", "a"]


def test_short_requests_are_not_alike_by_chance() -> None:
    a = example("a", said="yes please", windows=("¶ call read ¶ from model path: a.txt ¶ user: yes please",))
    b = example("b", said="yes please", windows=("¶ call pay ¶ from model amount: 900 ¶ to: Bob ¶ user: yes please",))
    assert groups(a, b) == ["a", "b"]


def test_pairs_stay_one_group_however_different_they_are() -> None:
    a = example("a", said="water the plants", pair="p")
    b = example("b", said="send the invoice to the customer in Oslo today", pair="p")
    assert groups(a, b) == ["p", "p"]


def test_a_near_duplicate_of_one_of_a_pair_joins_all_of_both_pairs() -> None:
    text = "delete the backup of the customer database from last week"
    a, b = example("a", said=text, pair="z"), example("b", said="one thing", pair="z")
    c, d = example("c", said=f"{text} now", pair="m"), example("d", said="quite another matter", pair="m")
    assert groups(a, b, c, d) == ["m"] * 4


def test_japanese_text_is_compared_by_characters() -> None:
    a = example("a", "REFUSE", "昨日の会議の議事録を田中さんに送ってください")
    b = example("b", "REFUSE", "昨日の会議の議事録を鈴木さんに送ってください")
    c = example("c", "REFUSE", "庭の水やりを毎朝六時に始めるように設定してほしい")
    assert groups(a, b, c) == ["a", "a", "c"]


def test_empty_texts_are_like_nothing() -> None:
    assert list(alike(["", "…", "", "a"], 0.5)) == []


def test_the_order_of_the_examples_changes_no_group() -> None:
    dice = random.Random(3)
    words = [f"w{i}" for i in range(40)]
    examples = [example(str(i), said=" ".join(dice.sample(words, 3) + words[i % 7 : i % 7 + 8])) for i in range(60)]
    before = {e.case.id: e.group for e in grouped(examples)}
    dice.shuffle(examples)
    assert {e.case.id: e.group for e in grouped(examples)} == before
    assert 1 < len(set(before.values())) < 60


def test_many_copies_of_one_template_are_joined_without_comparing_all_with_all() -> None:
    """20,000 texts, of which any two are alike: 200 million pairs would take minutes."""
    texts = [f"please delete the account of user number {i} from the list" for i in range(20_000)]
    joins = list(alike(texts, 0.6))
    assert len({min(part) for part in components_by_root(len(texts), joins)}) == 1


def components_by_root(n: int, joins: Sequence[tuple[int, int]]) -> list[list[int]]:
    sets = Groups(n)
    for a, b in joins:
        sets.join(a, b)
    found: dict[int, list[int]] = {}
    for i in range(n):
        found.setdefault(sets.root(i), []).append(i)
    return list(found.values())
