"""How well a blind second look agrees with the labels: `python -m so8t.training.data.second_look`.

second_look.jsonl holds 400 cases, drawn at random from the project's own, that three readers labelled by the policy
alone, without seeing label, rationale, source or difficulty. Agreement is Cohen's kappa (1960): 1 is full agreement, 0
what chance gives. The interval at 95 % is a bootstrap over cases.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from sklearn.metrics import cohen_kappa_score  # type: ignore[import-untyped]

HERE = Path(__file__).parents[1]
CASES, SECOND = HERE / "cases", HERE / "second_look.jsonl"


def pairs(cases: Path = CASES, second: Path = SECOND) -> list[tuple[str, str]]:
    """(label, second label) of each case that was looked at twice and is still there."""
    labels = {row["id"]: row["label"] for file in sorted(cases.glob("*.jsonl")) for row in _rows(file)}
    return [(labels[row["id"]], row["label"]) for row in _rows(second) if row["id"] in labels]


def kappa(found: Sequence[tuple[str, str]], *, resamples: int = 1000, seed: int = 0) -> tuple[float, float, float]:
    """The value and its interval."""
    first, second = (np.array([pair[side] for pair in found]) for side in (0, 1))  # (N,)
    dice = np.random.default_rng(seed)
    drawn = [dice.integers(len(found), size=len(found)) for _ in range(resamples)]
    low, high = np.percentile([cohen_kappa_score(first[d], second[d]) for d in drawn], [2.5, 97.5])
    return float(cohen_kappa_score(first, second)), float(low), float(high)


def _rows(file: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]


def main() -> None:
    """Print agreement, kappa, and where the two differ."""
    found = pairs()
    equal = sum(first == second for first, second in found)
    value, low, high = kappa(found)
    print(f"{len(found)} cases, {equal} labelled the same ({equal / len(found):.1%})")  # noqa: T201
    print(f"Cohen's kappa {value:.3f} ({low:.3f}-{high:.3f})")  # noqa: T201
    for (first, second), n in Counter(pair for pair in found if pair[0] != pair[1]).most_common():
        print(f"  {n} {first}, second look {second}")  # noqa: T201


if __name__ == "__main__":
    main()
