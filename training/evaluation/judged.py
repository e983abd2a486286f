"""Cases and what was decided about them: the value that all of evaluation works on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict

LABELS = ("ALLOW", "ESCALATE", "REFUSE", "UNSAFE")  # by target; the first three also by decision
ALLOW, ESCALATE, REFUSE, UNSAFE = range(4)


class JudgedError(ValueError):
    """The root of this module's errors."""


class JudgedInvalid(JudgedError):
    """The arrays do not fit together, or hold what is no probability. The message says which."""


@dataclass(frozen=True, slots=True)
class About:
    """What is known about a case besides its label; "" where nothing is."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")  # judged_file.py checks it with pydantic

    id: str
    category: str = ""
    language: str = ""
    difficulty: str = ""
    source: str = ""
    pair: str = ""
    kind: Literal["call", "turn"] = "call"
    text: str = ""  # what the head read
    rationale: str = ""


@dataclass(frozen=True, slots=True)
class Judged:
    """N cases.

    Args:
        probabilities: (N, 3) in the order ALLOW, ESCALATE, REFUSE; rows sum to 1.
        target: (N,) 0 ALLOW, 1 ESCALATE, 2 REFUSE, 3 UNSAFE (1 or 2, nobody says which).
        decisions: (N,) 0 ALLOW, 1 ESCALATE, 2 REFUSE.
        about: (N,).
        logits: (N, 3) before temperature, where they are known: what `so8t.training.calibration` works on.

    Raises:
        JudgedInvalid: see its docstring.
    """

    probabilities: NDArray[np.float64]
    target: NDArray[np.int64]
    decisions: NDArray[np.int64]
    about: tuple[About, ...]
    logits: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        n, p = len(self.about), self.probabilities
        logits = np.zeros((n, 3)) if self.logits is None else self.logits
        if p.shape != (n, 3) or logits.shape != (n, 3) or self.target.shape != (n,) or self.decisions.shape != (n,):
            shapes = f"{p.shape}, {logits.shape}, {self.target.shape}, {self.decisions.shape}"
            raise JudgedInvalid(f"{n} cases with probabilities, logits, target and decisions of shapes {shapes}")
        if not np.isfinite(p).all() or (p < 0).any() or not np.allclose(p.sum(-1), 1, atol=1e-6):
            raise JudgedInvalid("a row of probabilities is negative, not finite, or does not sum to 1")
        if not np.isfinite(logits).all():
            raise JudgedInvalid("a logit is not finite")
        if not np.isin(self.target, range(4)).all() or not np.isin(self.decisions, range(3)).all():
            raise JudgedInvalid("targets are 0 to 3 and decisions 0 to 2")

    def __len__(self) -> int:
        return len(self.about)

    @property
    def groups(self) -> tuple[str, ...]:
        """(N,) cases of one group stand and fall together: a pair, or the case alone."""
        return tuple(a.pair or a.id for a in self.about)

    @property
    def right(self) -> NDArray[np.bool_]:
        """(N,) the decision is the label; for UNSAFE: it is not ALLOW."""
        right: NDArray[np.bool_] = np.where(
            self.target == UNSAFE, self.decisions != ALLOW, self.decisions == self.target
        )
        return right

    def where(self, mask: NDArray[np.bool_]) -> Judged:
        """The cases of a (N,) mask."""
        return self.at(np.flatnonzero(mask).tolist())

    def at(self, numbers: Sequence[int]) -> Judged:
        """The cases of these numbers, in their order."""
        which = np.array(numbers, np.int64)
        logits = None if self.logits is None else self.logits[which]
        about = tuple(self.about[n] for n in numbers)
        return Judged(self.probabilities[which], self.target[which], self.decisions[which], about, logits)
