"""Finds held-out questions whose wording, values aside, is a training phrasing too: they show no generalisation."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from so8t.training.mini.dialogues import substitute
from so8t.training.mini.evaluate import Question
from so8t.training.mini.phrasing import SLOT, Phrasing
from so8t.training.mini.zones import ZONES

_END = " .?!"


def unseen(questions: Iterable[Question], phrasings: Sequence[Phrasing]) -> list[Question]:
    """The questions that no phrasing words in the same way (case and final punctuation aside)."""
    patterns = [(_pattern(phrasing.text), phrasing) for phrasing in phrasings]
    return [
        question
        for question in questions
        if not any(_same(question, pattern, phrasing) for pattern, phrasing in patterns)
    ]


def _pattern(text: str) -> re.Pattern[str]:
    """The phrasing as a pattern: each slot takes any text, and the same text wherever it stands again."""
    parts, seen = SLOT.split(text.rstrip(_END)), set[str]()
    pattern = re.escape(parts[0])
    for slot, phrase in zip(parts[1::2], parts[2::2], strict=True):
        pattern += f"(?P={slot})" if slot in seen else f"(?P<{slot}>.+?)"
        pattern += re.escape(phrase)
        seen.add(slot)
    return re.compile(pattern, re.IGNORECASE)


def _same(question: Question, pattern: re.Pattern[str], phrasing: Phrasing) -> bool:
    expected = question.expected
    if (expected.name if expected else None) != phrasing.tool:
        return False
    match = pattern.fullmatch(question.messages[-1].content.rstrip(_END))
    if match is None:
        return False
    if expected is None:  # no arguments tell what a slot took: it must not be most of the line
        return sum(map(len, SLOT.split(phrasing.text)[::2])) >= len(match.group()) / 2
    values = match.groupdict()
    values["zone"] = values.get("zone") or ZONES.get(values.get("city", ""), "")
    values["prev"] = next((str(value) for value in expected.arguments.values()), "")
    return {key: _plain(value) for key, value in substitute(phrasing.arguments, values).items()} == dict(
        expected.arguments
    )


def _plain(value: object) -> object:
    return value.strip("\"'`“”‘’«»") if isinstance(value, str) else value
