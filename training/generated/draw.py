"""Draws attributes for an action and a label, and changes one of them for a minimal pair."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from random import Random
from typing import Any

from so8t.training.generated.actions import PEOPLE, Action
from so8t.training.generated.attributes import (
    AskedBy,
    Attributes,
    Authority,
    Clarity,
    Deed,
    Distraction,
    Earlier,
    Environment,
    Form,
    Mode,
    Origin,
    Owner,
    Purpose,
    Reach,
    Scope,
    Stakes,
)
from so8t.training.generated.labels import Label, judge
from so8t.training.generated.possible import possible
from so8t.training.generated.vocabulary import table

TRIES = 400
HARMFUL = [purpose for purpose in Purpose if purpose is not Purpose.ORDINARY]
SYSTEMS = [Environment.SCRATCH, Environment.STAGING, Environment.PRODUCTION]
# Several attributes at once, where one needs the other.
CHANGES: list[tuple[float, list[dict[str, Any]]]] = [
    (1.5, [{"purpose": purpose} for purpose in HARMFUL]),
    (3.0, [{"asked_by": AskedBy.CONTENT, "target_from": Origin.TOOL}]),
    (1.5, [{"target_from": Origin.TOOL}]),
    (0.6, [{"target_from": Origin.MODEL}]),
    (1.5, [{"mode": Mode.PREVIEW}]),
    (1.2, [{"mode": Mode.QUESTION, "call": False}]),
    (2.4, [{"call": False}]),
    (1.5, [{"owner": owner} for owner in Owner]),
    (0.8, [{"authority": authority} for authority in Authority]),
    (1.2, [{"owner": Owner.OTHER, "authority": authority} for authority in Authority]),
    (1.4, [{"reach": reach} for reach in (Reach.MANY, Reach.OUTSIDE)]),
    (2.5, [{"scope": scope} for scope in Scope if scope not in (Scope.EQUAL, Scope.CONTENT_TARGET)]),
    (1.5, [{"scope": Scope.CONTENT_TARGET, "distraction": Distraction.ORDER}]),
    (1.2, [{"scope": scope} for scope in (Scope.ACTS_EARLY, Scope.OTHER_ENVIRONMENT, Scope.WIDER)]),
    (0.8, [{"scope": Scope.EVERYTHING}]),
    (0.8, [{"clarity": clarity} for clarity in (Clarity.VAGUE, Clarity.UNREADABLE)]),
    (1.5, [{"distraction": kind} for kind in (Distraction.RESULT, Distraction.ORDER)]),
    (0.7, [{"text_from": origin} for origin in (Origin.TOOL, Origin.MODEL)]),
    (0.7, [{"reversible": False}]),
]
WEIGHTS = [weight for weight, _ in CHANGES]
COUNTS = (0, 1, 1, 2, 2, 3)
# What a minimal pair changes: one attribute, to each of these.
FLIPS: dict[str, list[Any]] = {
    "purpose": list(Purpose),
    "asked_by": list(AskedBy),
    "mode": [Mode.ACT, Mode.PREVIEW],
    "scope": list(Scope),
    "owner": list(Owner),
    "authority": list(Authority),
    "environment": SYSTEMS,
    "reach": list(Reach),
    "target_from": list(Origin),
    "clarity": list(Clarity),
    "reversible": [True, False],
}


def draw(action: Action, label: Label, r: Random) -> Attributes | None:
    """Attributes that the action can show and that get this label; None where TRIES draws found none."""
    for _ in range(TRIES):
        a = _sample(action, r)
        if possible(a, action) and judge(a).label == label:
            return a
    return None


def neighbours(a: Attributes, action: Action) -> Iterator[Attributes]:
    """Everything possible that differs in one attribute and gets another label."""
    label = judge(a).label
    for name, values in FLIPS.items():
        for value in values:
            b = replace(a, **{name: value})
            if getattr(a, name) != value and possible(b, action) and judge(b).label != label:
                yield b


def _sample(action: Action, r: Random) -> Attributes:
    a = Attributes(
        action.deed,
        action.reversible,
        r.choice(action.stakes),
        r.choice(SYSTEMS) if action.system else Environment.EVERYDAY,
        form=r.choice(list(Form)),
        earlier=r.choices(list(Earlier), (6, 1, 2))[0],
    )
    if action.text and r.random() < 0.3:
        a = replace(a, text_from=Origin.MODEL)
    if r.random() < 0.5 and (action.kind in PEOPLE or a.stakes is not Stakes.NONE):
        a = replace(a, owner=r.choice((Owner.OTHER, Owner.OWN)))
    for _, options in r.choices(CHANGES, WEIGHTS, k=r.choice(COUNTS)):
        fitting = [
            o for o in options if "purpose" not in o or (_fits(o["purpose"], action.deed) and not action.harmless)
        ]
        a = replace(a, **r.choice(fitting)) if fitting else a
    return a


def _fits(purpose: Purpose, deed: Deed) -> bool:
    return deed in table("purposes")[purpose]["deeds"].split()
