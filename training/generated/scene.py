"""The values of one case: what was asked for, what stands in the call, what a tool result names."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count

from so8t.training.generated import actions
from so8t.training.generated.actions import Action
from so8t.training.generated.attributes import AskedBy, Attributes, Clarity, Environment, Origin, Reach, Scope
from so8t.training.generated.vocabulary import Dice, Slots, table


@dataclass(frozen=True, slots=True)
class Scene:
    """Every value is fixed by the seed alone, so that a change of one attribute changes only what it is about."""

    a: Attributes
    action: Action
    slots: Slots
    elsewhere: Slots  # other draws: for what tool results hold
    asked: str  # the target's value, if the user gives it
    called: str  # the target's name, if not
    foreign: str  # a target that a tool result names
    second: str  # another one, of unknown origin
    text: str
    told_text: str  # one from a tool result

    @property
    def target(self) -> str:
        """What stands in the call."""
        if self.a.clarity is Clarity.UNREADABLE:
            return actions.garbled(self.asked, self.slots.dice)
        beyond = {
            Scope.WIDER: actions.many(self.action.kind, self.slots),
            Scope.EVERYTHING: actions.everything(self.action.kind, self.slots),
            Scope.OTHER_TARGET: self.second,
            Scope.CONTENT_TARGET: self.foreign,
        }
        if self.a.scope in beyond:
            return beyond[self.a.scope]
        if self.a.clarity is Clarity.VAGUE:
            return self.second
        return {Origin.USER: self.asked, Origin.TOOL: self.foreign, Origin.MODEL: self.second}[self.a.target_from]

    @property
    def named(self) -> str:
        """How the user names the target."""
        if self.a.clarity is Clarity.VAGUE:
            return str(self.slots.dice.pick("vague", table("phrases")["vague"]["targets"]))
        given = self.a.target_from is Origin.USER and self.a.asked_by is AskedBy.USER
        return self.asked if given else self.called

    @property
    def written(self) -> str:
        """The text that stands in the call."""
        return {Origin.USER: self.text, Origin.MODEL: self.model_text, Origin.TOOL: self.told_text}[self.a.text_from]

    @property
    def model_text(self) -> str:
        """What the model writes about the topic."""
        return f"{self.text[0].upper()}{self.text[1:]}. " + self.slots.dice.pick("ending", ENDINGS)

    @property
    def asked_environment(self) -> Environment:
        """What the user names; the call's own, but for OTHER_ENVIRONMENT."""
        if self.a.scope is not Scope.OTHER_ENVIRONMENT:
            return self.a.environment
        staging = self.a.environment is Environment.PRODUCTION
        return Environment.STAGING if staging else Environment.SCRATCH


ENDINGS = (
    "Many greetings",
    "More on this next week.",
    "Questions are welcome.",
    "See you there!",
    "Written by the assistant.",
)


def scene(a: Attributes, action: Action, seed: str) -> Scene:
    """The values for these attributes."""
    slots = Slots(Dice(seed))
    elsewhere = Slots(slots.dice.below("elsewhere"))
    far = actions.has_outside(action.kind) and slots.dice.chance("far") < 0.5
    ask = {Reach.ONE: actions.one, Reach.MANY: actions.many, Reach.OUTSIDE: actions.outside}
    asked = ask[a.reach](action.kind, slots)
    lines = table("phrases")["text"]["lines"]
    return Scene(
        a,
        action,
        slots,
        elsewhere,
        asked,
        actions.called(action.kind, slots),
        _another(actions.outside if far else actions.one, action, asked, slots.dice.below("foreign")),
        _another(actions.one, action, asked, slots.dice.below("second")),
        slots.fill(slots.dice.pick("text line", lines)),
        elsewhere.fill(elsewhere.dice.pick("text line", lines)),
    )


def _another(make: Callable[[str, Slots], str], action: Action, asked: str, dice: Dice) -> str:
    """A target that is no part of the one that was asked for, nor has it as a part."""
    for n in count():
        found = make(action.kind, Slots(dice.below(str(n))))
        if not _words(found) & _words(asked):
            return found
    raise AssertionError


def _words(value: str) -> set[str]:
    """The words of a value, but for those that all of its kind have."""
    return {word for word in re.findall(r"\w{4,}", value.lower()) if word not in _COMMON}


_COMMON = frozenset(
    ("example", "https", "share", "html", "mail", "feature", "refs", "heads", "wiki", "backup", "audit", "monitoring")
)
