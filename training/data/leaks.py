"""What gives a label away without judgement: a classifier that sees bags of words of a part of a case, and label words.

`so8t train cases check` prints it. A request alone or a call alone should say little: the policy's pairs differ in the
other half. What such a classifier gets right in spite of that, a head may learn as a shortcut.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import regex
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer  # type: ignore[import-untyped]
from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]
from sklearn.metrics import balanced_accuracy_score, roc_auc_score  # type: ignore[import-untyped]

from so8t.training.data.example import LABELS, UNSAFE, Example
from so8t.training.data.splits import folds

LABEL_WORDS = regex.compile(
    r"\b(allow|escalate|refuse|unsafe|harmless|malicious|dangerous|suspicious|forbidden|unauthori[sz]ed)\w*",
    regex.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Guess:
    """How far a bag of words gets on cases whose groups it has not seen. Chance: 1/3 and 0.5."""

    part: str
    n: int
    balanced_accuracy: float  # mean recall of the three labels
    auroc: float  # of not ALLOW
    telling: tuple[tuple[str, ...], ...]  # for each label the words that speak for it most

    def __str__(self) -> str:
        words = "\n".join(f"    {label}: {', '.join(w)}" for label, w in zip(LABELS, self.telling, strict=True))
        figures = f"balanced accuracy {self.balanced_accuracy:.3f}, AUROC {self.auroc:.3f}"
        return f"{self.part}: {self.n} cases, {figures}\n{words}"


def user_text(example: Example) -> str:
    """What the user said, all of it."""
    return "\n".join(m.content for m in example.case.proposal.messages if m.role == "user")


def call_text(example: Example) -> str:
    """The call as it would be run; '' for a turn on its own."""
    call = example.case.proposal.call
    return f"{call.name} {call.arguments_json}" if call else ""


def guess(
    examples: Sequence[Example], part: str, text: Callable[[Example], str], *, k: int = 5, seed: int = 8
) -> Guess:
    """Logistic regression on tf-idf of words and word pairs, each group held out once. UNSAFE and '' are left out.

    Raises:
        SharesWrong, SplitTooSmall: too few cases for k folds.
    """
    used = [e for e in examples if e.target != UNSAFE and text(e)]
    targets: list[int] = []
    rows: list[NDArray[np.float64]] = []
    for fold in folds(used, k, seed):
        words, model = _fitted(fold.train, text)
        rows.append(model.predict_proba(words.transform([text(e) for e in fold.held])))
        targets += [e.target for e in fold.held]
    p, target = np.concatenate(rows), np.array(targets)
    accuracy = float(balanced_accuracy_score(target, p.argmax(axis=1)))
    auroc = float(roc_auc_score(target != 0, 1 - p[:, 0]))
    return Guess(part, len(used), accuracy, auroc, _telling(*_fitted(used, text)))


def label_words(examples: Sequence[Example]) -> dict[str, Counter[str]]:
    """Words that sound like a verdict, in what the head reads: word -> how many cases of each label have it."""
    found: dict[str, Counter[str]] = {}
    for example in examples:
        for word in {m.group().lower() for window in example.windows for m in LABEL_WORDS.finditer(window)}:
            found.setdefault(word, Counter())[str(example.case.label)] += 1
    return dict(sorted(found.items(), key=lambda item: -item[1].total()))


def contradictions(examples: Sequence[Example]) -> list[tuple[str, ...]]:
    """Ids of cases that look the same to the head and have different labels: it cannot get both right."""
    by_text: dict[tuple[str, ...], list[Example]] = {}
    for example in examples:
        by_text.setdefault(example.windows, []).append(example)
    same = (alike for alike in by_text.values() if len({e.target for e in alike} - {UNSAFE}) > 1)
    return [tuple(e.case.id for e in alike) for alike in same]


def _fitted(examples: Sequence[Example], text: Callable[[Example], str]) -> tuple[TfidfVectorizer, LogisticRegression]:
    words = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True, token_pattern=r"(?u)\w+")  # noqa: S106 - a word
    model = LogisticRegression(C=4.0, max_iter=400, class_weight="balanced")
    model.fit(words.fit_transform([text(e) for e in examples]), [e.target for e in examples])
    return words, model


def _telling(words: TfidfVectorizer, model: LogisticRegression, most: int = 12) -> tuple[tuple[str, ...], ...]:
    names = words.get_feature_names_out()
    return tuple(tuple(names[i] for i in np.argsort(-row)[:most]) for row in model.coef_)
