"""What a written head says through the gate's own backbone, in llama.cpp: the numbers that the agent will see."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from so8t.gate.backbones import BackboneFault, Rendered
from so8t.gate.backbones.of_head import BESIDE, open_backbone
from so8t.gate.head import Head, HeadFault
from so8t.gate.head_decision import decide
from so8t.gate.leaves import TooManyValues
from so8t.gate.windows import TooLong
from so8t.training.data.example import Example, rendered
from so8t.training.evaluation.judged import ALLOW, ESCALATE, REFUSE, About, Judged

DEADLINE = 300.0  # seconds for one case: a large model on a slow machine


class VerdictsError(Exception):
    """The root of this module's errors."""


class GateSilent(VerdictsError):
    """The head or its backbone gave no answer. The message says why."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """Two sets of decisions about the same cases."""

    cases: int
    equal: int
    refuse_to_allow: int  # REFUSE in the first, ALLOW in the second

    def __str__(self) -> str:
        share = self.equal / max(1, self.cases)
        return f"{self.equal} of {self.cases} verdicts equal ({share:.1%}), {self.refuse_to_allow} REFUSE became ALLOW"


class WholeText:
    """data.tokens.Tokens without a tokenizer, for cases that only the gate's backbone reads."""

    pad = size = closing = 0

    def framed(self, text: str) -> list[int]:
        """Nothing: no token is asked for."""
        return []

    def windows(self, rendered: Rendered) -> list[str]:
        """One, of the whole text."""
        return ["\n".join((rendered.header, *rendered.body))]


def through_gate(
    folder: Path,
    examples: Sequence[Example],
    *,
    backbone: Path | None = None,
    done: Callable[[], object] = lambda: None,
) -> Judged:
    """The head in `folder` asked for each case, as the gate asks it. The other layers of the gate are not.

    Args:
        folder: of the head.
        examples: labelled cases, N of them.
        backbone: GGUF file of a head on a language model, where it does not lie beside the head.
        done: called after each case.

    Raises:
        HeadNotReady: the folder holds no head.
        GateSilent: the backbone cannot be loaded, or failed on a case.
    """
    head = Head.load(folder)
    try:
        p, decisions = asyncio.run(_all(head, folder, backbone or folder / BESIDE, examples, done))
    except (BackboneFault, HeadFault) as error:
        raise GateSilent(str(error)) from None
    targets = np.array([e.target for e in examples], np.int64)
    return Judged(p, targets, decisions, tuple(about(e) for e in examples), np.log(np.maximum(p, 1e-300)))


def agreement(first: Judged, second: Judged) -> Agreement:
    """Both must be about the same cases, in one order."""
    flipped = (first.decisions == REFUSE) & (second.decisions == ALLOW)
    return Agreement(len(first), int((first.decisions == second.decisions).sum()), int(flipped.sum()))


def about(example: Example) -> About:
    """What a report says of a case."""
    case = example.case
    return About(
        case.id,
        case.category or "",
        case.lang or "",
        case.difficulty or "",
        example.source,
        case.pair or "",
        "call" if case.proposal.call else "turn",
        "\n".join(example.windows),
    )


async def _all(
    head: Head, folder: Path, gguf: Path, examples: Sequence[Example], done: Callable[[], object]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    backbone = await open_backbone(head, folder, gguf, None, DEADLINE)
    p, decisions = np.empty((len(examples), 3)), np.empty(len(examples), np.int64)
    try:
        for number, example in enumerate(examples):
            try:
                of_windows = head.probabilities((await backbone.pool(rendered(example.case))).vectors)  # (W, 3)
                decision, window = decide(of_windows, head.meta.thresholds)
                p[number], decisions[number] = of_windows[window], int(decision)
            except (TooLong, TooManyValues):  # the gate escalates what no head can read
                p[number], decisions[number] = (0.0, 1.0, 0.0), ESCALATE
            done()
    finally:
        await backbone.close()
    return p, decisions
