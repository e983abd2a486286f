"""Tokenised rows: a window of a case, or a dialogue that the language model goes on learning."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Dataset

from so8t.training.data.dialogues import Dialogue
from so8t.training.data.example import Example
from so8t.training.data.tokens import TokenizerMismatch, Tokens

IGNORED = -100  # a target or label that no loss looks at

Ids = NDArray[np.int32]
Key = tuple[int, int]  # (epoch, number): below len(examples) a case, from there on a dialogue


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a batch before it is padded."""

    ids: Ids  # (T,)
    learnt: NDArray[np.bool_] | None  # (T,) tokens that the language model learns; None: none of them
    target: int  # 0..3, or IGNORED
    weight: float  # of the class


@dataclass(slots=True)
class Cut:
    """What does not fit into a training text. Nothing is ever cut when a head is measured."""

    texts: int = 0
    tokens: int = 0

    def __str__(self) -> str:
        return f"{self.texts} texts were cut, {self.tokens} tokens are not trained on"


class TrainingRows(Dataset[Row]):
    """Cases, each by one of its windows (which one depends on the epoch), then dialogues. Tokenised at the start."""

    def __init__(
        self,
        examples: Sequence[Example],
        tokens: Tokens,
        *,
        longest: int,
        weights: Sequence[float] | NDArray[np.float32] = (1.0, 1.0, 1.0, 1.0),
        seed: int = 8,
        dialogues: Sequence[Dialogue] = (),
    ) -> None:
        """Tokenise everything.

        Args:
            examples: what the head learns from.
            tokens: of the base model.
            longest: tokens of a row; what is longer is cut (its closing special tokens are kept) and counted in `cut`.
            weights: of the four targets, as balance.class_weights gives them.
            seed: which window is taken in which epoch.
            dialogues: tokenised with the same tokenizer.

        Raises:
            TokenizerMismatch: a dialogue has ids that the tokenizer does not know.
        """
        self.cut = Cut()
        self.cases = len(examples)
        self._targets = [e.target for e in examples]
        self._weights = [float(weights[target]) for target in self._targets]
        self._windows = [[self._fit(tokens.framed(w), longest, tokens.closing) for w in e.windows] for e in examples]
        self._dialogues = [self._spoken(dialogue, longest, tokens.size) for dialogue in dialogues]
        self._seed = seed

    def __len__(self) -> int:
        return self.cases + len(self._dialogues)

    def __getitem__(self, key: Key) -> Row:
        epoch, number = key
        if number >= self.cases:
            return self._dialogues[number - self.cases]
        return Row(self._window(epoch, number), None, self._targets[number], self._weights[number])

    @property
    def targets(self) -> list[int]:
        """Of the cases."""
        return list(self._targets)

    def length(self, key: Key) -> int:
        """Tokens of that row."""
        return len(self[key].ids)

    def _window(self, epoch: int, number: int) -> Ids:
        windows = self._windows[number]
        if len(windows) == 1:
            return windows[0]
        return windows[int(np.random.default_rng([self._seed, epoch, number]).integers(len(windows)))]

    def _spoken(self, dialogue: Dialogue, longest: int, size: int) -> Row:
        ids = self._fit(dialogue.ids, longest, 0)
        if ids.max(initial=0) >= size:
            raise TokenizerMismatch(
                f"a dialogue has the token id {ids.max()}, the tokenizer knows ids below {size}:"
                " tokenise the dialogues with the tokenizer of the base model"
            )
        return Row(ids, np.array(dialogue.learnt[: len(ids)], np.bool_), IGNORED, 0.0)

    def _fit(self, ids: Sequence[int], longest: int, closing: int) -> Ids:
        if len(ids) > longest:
            self.cut.texts += 1
            self.cut.tokens += len(ids) - longest
            ids = [*ids[: longest - closing], *ids[len(ids) - closing :]]
        return np.array(ids, np.int32)


class EvaluationRows(Dataset[Row]):
    """Every window of every case, whole, the shortest first: read in order, a batch is of one length."""

    def __init__(self, examples: Sequence[Example], tokens: Tokens) -> None:
        found = [(number, np.array(tokens.framed(w), np.int32)) for number, e in enumerate(examples) for w in e.windows]
        found.sort(key=lambda item: len(item[1]))
        self.owners = np.array([number for number, _ in found], np.int64)  # (W,) the example of each row
        self._rows = [Row(ids, None, examples[number].target, 1.0) for number, ids in found]

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> Row:
        return self._rows[index]


def strictest(logits: NDArray[np.floating], owners: Iterable[int]) -> NDArray[np.float64]:
    """(W, 3) logits of windows and (W,) owners 0..N-1 -> (N, 3): of each example the window that is least for ALLOW.

    Least is the margin log p(ALLOW) - log p(not ALLOW). The gate takes the strictest decision of all windows
    (gate/head_decision.py): for ALLOW or not that comes to the same.
    """
    rows = np.asarray(logits, np.float64)
    owner = np.asarray(list(owners), np.int64)
    margin = rows[:, 0] - np.logaddexp(rows[:, 1], rows[:, 2])  # (W,)
    by_margin = np.lexsort((margin, owner))
    _, first = np.unique(owner[by_margin], return_index=True)
    return rows[by_margin[first]]
