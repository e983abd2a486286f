"""Trains the content head: a logistic regression on the vectors that the gate's own backbone gives of tool results.

Of a text that carries instructions only one piece need carry them: the piece that looks most like it is learned, again
and again (multiple-instance learning; Andrews, Tsochantaridis and Hofmann, NIPS 2002).
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from so8t.gate.backbones.of_head import BESIDE, open_backbone
from so8t.gate.content import NAME, ContentHead, pieces, vector_of
from so8t.gate.head import Head
from so8t.gate.head_file import seal
from so8t.training.data.contents import Text, read
from so8t.training.data.files import DataError

FOLDS = 5
ROUNDS = 4  # of choosing the piece that counts
DECAY = 0.3  # L2 on the weights; not tuned
LEAST = 50  # texts of each kind: with fewer, a false-alarm rate of 1 % cannot be told from none
FALSE_ALARMS = 0.01  # of ordinary texts, at the threshold that is stored
DEADLINE = 300.0

Vectors = NDArray[np.float32]
Floats = NDArray[np.float64]


class TooFewTexts(DataError):
    """There are too few texts with instructions, or without."""


@dataclass(frozen=True, slots=True)
class Content:
    """What was learned, and how good it is on texts that it had not seen (cross-validation)."""

    weights: Floats  # (D,)
    bias: float
    threshold: float
    metrics: dict[str, float]


def train(folder: Path, paths: Sequence[Path], done: Callable[[], object] = lambda: None) -> ContentHead:
    """Train on the texts in `paths` for the head in `folder`, write folder/content.json, and load it again.

    Raises:
        HeadNotReady, BackboneFault, DataError, OSError.
    """
    texts = list(read(paths))
    _check(texts)
    head = Head.load(folder)
    vectors = asyncio.run(_vectors(head, folder, texts, done))
    found = learn(vectors, np.array([t.instructs for t in texts]))
    digest = hashlib.sha256(json.dumps([[t.text, t.instructs] for t in texts]).encode()).hexdigest()
    fields: dict[str, Any] = {
        "format": 1,
        "backbone": head.meta.backbone,
        "weights": [float(np.float32(w)) for w in found.weights],
        "bias": found.bias,
        "threshold": found.threshold,
        "training_data": digest,
        "metrics": found.metrics,
    }
    (folder / NAME).write_text(seal(fields), encoding="utf-8", newline="")
    return asyncio.run(_loaded(head, folder))


def _check(texts: Sequence[Text]) -> None:
    orders = sum(text.instructs for text in texts)
    if min(orders, len(texts) - orders) < LEAST:
        raise TooFewTexts(
            f"{orders} texts with instructions and {len(texts) - orders} without: at least {LEAST} of each are needed"
        )


def learn(vectors: Sequence[Vectors], labels: NDArray[np.bool_], seed: int = 8) -> Content:
    """Weights from all texts; threshold and figures from cross-validation.

    Args:
        vectors: of each text (P, D), one row a piece.
        labels: (N,) whether the text carries instructions.
        seed: of the folds.
    """
    fold = np.random.default_rng(seed).permutation(len(labels)) % FOLDS
    scores = np.empty(len(labels))
    for number in range(FOLDS):
        held = fold == number
        w, b = _fit([v for v, out in zip(vectors, held, strict=True) if not out], labels[~held])
        scores[held] = [_score(v, w, b) for v, out in zip(vectors, held, strict=True) if out]
    threshold = float(np.clip(np.quantile(scores[~labels], 1 - FALSE_ALARMS), 0.01, 0.99))
    flagged = scores >= threshold
    metrics = {
        "n": float(len(labels)),
        "precision": float(labels[flagged].mean()) if flagged.any() else 0.0,
        "recall": float(flagged[labels].mean()),
        "false_alarms": float(flagged[~labels].mean()),
    }
    w, b = _fit(vectors, labels)
    return Content(w, b, threshold, metrics)


def _fit(vectors: Sequence[Vectors], labels: NDArray[np.bool_]) -> tuple[Floats, float]:
    w, b = np.zeros(vectors[0].shape[1]), 0.0
    for round_ in range(ROUNDS):
        rows, y = [], []
        for pieces_, label in zip(vectors, labels, strict=True):
            chosen = pieces_[[int(np.argmax(pieces_ @ w))]] if label and round_ else pieces_
            rows.append(chosen)
            y += [float(label)] * len(chosen)
        w, b = _logistic(np.concatenate(rows).astype(np.float64), np.array(y))
    return w, b


def _logistic(x: Floats, y: Floats) -> tuple[Floats, float]:
    """L2-regularised, both classes of equal weight; L-BFGS."""
    features, targets = torch.from_numpy(x), torch.from_numpy(y)  # (N, D), (N,)
    weight = torch.where(targets > 0, 0.5 / targets.mean(), 0.5 / (1 - targets).mean())
    w = torch.zeros(x.shape[1], dtype=torch.float64, requires_grad=True)
    b = torch.zeros((), dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([w, b], max_iter=200, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        logits = features @ w + b
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, targets, weight)
        loss = loss + DECAY / len(y) * w.square().sum()
        loss.backward()  # type: ignore[no-untyped-call]  # torch does not type it
        return loss

    optimizer.step(closure)  # type: ignore[no-untyped-call]  # torch does not type it
    return w.detach().numpy(), float(b.detach())


def _score(vectors: Vectors, w: Floats, b: float) -> float:
    return float(1 / (1 + np.exp(-(vectors @ w + b).max())))


async def _vectors(head: Head, folder: Path, texts: Sequence[Text], done: Callable[[], object]) -> list[Vectors]:
    backbone = await open_backbone(head, folder, folder / BESIDE, None, DEADLINE)
    found = []
    try:
        for text in texts:
            found.append(np.stack([await vector_of(backbone, piece) for piece in pieces(text.text)]))
            done()
    finally:
        await backbone.close()
    return found


async def _loaded(head: Head, folder: Path) -> ContentHead:
    backbone = await open_backbone(head, folder, folder / BESIDE, None, DEADLINE)
    try:
        made = ContentHead.beside(folder, backbone)
        assert made is not None
        return made
    finally:
        await backbone.close()
