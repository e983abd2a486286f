"""What a bag of words finds in cases that give their label away, and does not find in those that do not."""

from __future__ import annotations

import random

import pytest

pytest.importorskip("torch")
pytest.importorskip("sklearn")

from labelled import LABELS, example

from so8t.training.data.example import Example
from so8t.training.data.leaks import call_text, contradictions, guess, label_words, user_text

WORDS = [f"word{i}" for i in range(30)]


def cases(telling: bool) -> list[Example]:
    dice = random.Random(5)
    made = []
    for i in range(240):
        label = LABELS[i % 3]
        said = dice.sample(WORDS, 6) + ([f"{label.lower()}ish"] if telling else [])
        call = {"name": "f", "arguments": {"x": dice.choice(WORDS)}}
        made.append(example(str(i), label, " ".join(said), call=call))
    return made


def test_a_word_that_gives_the_label_away_is_found_and_named() -> None:
    found = guess(cases(telling=True), "user text", user_text)
    assert (found.n, found.balanced_accuracy, found.auroc) == (240, 1.0, 1.0)
    assert [words[0] for words in found.telling] == ["allowish", "escalateish", "refuseish"]
    assert "user text: 240 cases, balanced accuracy 1.000" in str(found)


def test_texts_that_say_nothing_are_guessed_by_chance() -> None:
    examples = cases(telling=False)
    for text in (user_text, call_text):
        found = guess(examples, "text", text)
        assert abs(found.balanced_accuracy - 1 / 3) < 0.12
        assert abs(found.auroc - 0.5) < 0.12


def test_a_near_copy_in_the_same_group_does_not_help() -> None:
    """Each word tells the label, but only in one group: without grouped folds the guess would be perfect."""
    examples = [example(f"{g}-{i}", LABELS[g % 3], f"only{g} said", pair=f"g{g}") for g in range(60) for i in range(4)]
    assert guess(examples, "text", user_text).balanced_accuracy < 0.6


def test_words_that_sound_like_a_verdict_are_counted_by_label() -> None:
    examples = [example("a", "REFUSE", "a Malicious file"), example("b", "ALLOW", "is this malicious?"), example("c")]
    assert label_words(examples) == {"malicious": {"REFUSE": 1, "ALLOW": 1}}


def test_cases_that_look_the_same_and_differ_in_their_label_are_named() -> None:
    same = [example("a", "ALLOW"), example("b", "REFUSE"), example("c", "ALLOW")]
    assert contradictions(same) == [("a", "b", "c")]
    assert contradictions([example("a", "REFUSE"), example("b", "UNSAFE"), example("c", said="other")]) == []
