"""Which attributes an action can show: what makes no sense together is not drawn."""

from __future__ import annotations

from so8t.training.generated.actions import PEOPLE, WHOLE, Action, has_outside
from so8t.training.generated.attributes import (
    AskedBy,
    Attributes,
    Authority,
    Clarity,
    Deed,
    Distraction,
    Environment,
    Mode,
    Origin,
    Owner,
    Purpose,
    Reach,
    Scope,
    Stakes,
)
from so8t.training.generated.labels import CATASTROPHE
from so8t.training.generated.vocabulary import table

IN_ANOTHERS_NAME = frozenset({Deed.SEND, Deed.PUBLISH, Deed.PAY})


def possible(a: Attributes, action: Action) -> bool:
    """Whether case.py can make all of these attributes visible with this action."""
    return all(check(a, action) for check in (_action, _turn, _harm, _content, _target, _scope, _owner, _text))


def _action(a: Attributes, action: Action) -> bool:
    return (
        a.deed is action.deed
        and a.stakes in action.stakes
        and (a.environment is not Environment.EVERYDAY) == action.system
        and (a.reversible is action.reversible or (action.permanent and not a.reversible))
        and not (a.deed is Deed.READ and a.mode is Mode.PREVIEW)
    )


def _turn(a: Attributes, action: Action) -> bool:
    """A turn on its own shows only what the user says."""
    if a.mode is Mode.QUESTION and (a.call or a != Attributes(
        a.deed, a.reversible, a.stakes, a.environment, mode=a.mode, call=False, form=a.form, earlier=a.earlier
    )):  # fmt: skip
        return False
    alone = (
        a.scope is Scope.EQUAL
        and a.asked_by is AskedBy.USER
        and a.target_from is Origin.USER
        and a.text_from is Origin.USER
        and a.clarity is not Clarity.UNREADABLE
        and a.authority is not Authority.CONFIRMED
        and a.distraction is Distraction.NOTHING
    )
    return a.call or alone


def _harm(a: Attributes, action: Action) -> bool:
    """A harmful purpose is said by the user, of a thing that is done and is no toy."""
    return a.purpose is Purpose.ORDINARY or (
        a.deed in table("purposes")[a.purpose]["deeds"].split()
        and a.asked_by is AskedBy.USER
        and a.mode is Mode.ACT
        and a.scope in (Scope.EQUAL, Scope.NARROWER)
        and a.clarity is Clarity.CLEAR
        and a.environment is not Environment.SCRATCH
        and a.owner is not Owner.UNCLEAR
        and not action.harmless
    )


def _content(a: Attributes, action: Action) -> bool:
    """An order from content names its own target; nothing that the user says is about it."""
    return a.asked_by is AskedBy.USER or (
        a.target_from is Origin.TOOL
        and a.scope is Scope.EQUAL
        and a.mode is Mode.ACT
        and a.authority is Authority.NONE_NEEDED
        and a.owner is Owner.OWN
        and a.text_from is not Origin.TOOL
        and a.distraction is Distraction.NOTHING
    )


def _target(a: Attributes, action: Action) -> bool:
    if a.clarity is Clarity.VAGUE and a.only_looks:
        return False
    if a.target_from is Origin.USER and a.clarity is Clarity.CLEAR:
        outside = a.reach is not Reach.OUTSIDE or (a.deed is Deed.SEND and has_outside(action.kind))
        return outside and not (a.reach is Reach.MANY and action.kind in PEOPLE and a.owner is Owner.OWN)
    plain = a.scope in (Scope.EQUAL, Scope.EXTRA_FLAG, Scope.ACTS_EARLY) and a.reach is Reach.ONE
    looked_up = a.target_from is not Origin.TOOL or (
        a.distraction is Distraction.NOTHING and a.text_from is not Origin.TOOL
    )
    return plain and looked_up and (a.clarity is Clarity.CLEAR or a.target_from is Origin.USER)


def _scope(a: Attributes, action: Action) -> bool:
    if a.scope is Scope.EQUAL:
        return True
    if a.scope is Scope.NARROWER:
        return a.reach is not Reach.MANY and action.kind not in PEOPLE  # its owner is said of one of them only
    acts = a.mode is Mode.ACT
    others = {
        Scope.WIDER: a.reach is Reach.ONE,
        Scope.EVERYTHING: a.reach is Reach.ONE
        and acts
        and a.deed in CATASTROPHE
        and action.kind in WHOLE
        and not (a.deed is Deed.ACTUATE and action.kind == "path")
        and a.environment is not Environment.SCRATCH,
        Scope.OTHER_TARGET: a.reach is not Reach.MANY,
        Scope.CONTENT_TARGET: a.reach is not Reach.MANY
        and a.distraction is Distraction.ORDER
        and a.text_from is not Origin.TOOL,
        Scope.EXTRA_FLAG: acts,
        Scope.ACTS_EARLY: acts and a.deed is not Deed.READ,
        Scope.OTHER_ENVIRONMENT: a.environment in (Environment.STAGING, Environment.PRODUCTION),
    }
    return others[a.scope]


def _owner(a: Attributes, action: Action) -> bool:
    if action.public:
        return a.owner is Owner.OWN and a.authority is Authority.NONE_NEEDED
    if a.deed in IN_ANOTHERS_NAME:  # then it says in whose name
        in_a_name = a.owner is Owner.OTHER and a.authority is not Authority.CONFIRMED and a.mode is Mode.ACT
        return a.owner is Owner.OWN or in_a_name
    somebody = action.kind in PEOPLE or (a.deed is Deed.READ and a.stakes is not Stakes.NONE)
    return not (somebody and a.owner is Owner.TEAM)


def _text(a: Attributes, action: Action) -> bool:
    if a.text_from is Origin.TOOL and (a.distraction is not Distraction.NOTHING or a.clarity is not Clarity.CLEAR):
        return False
    return action.text or a.text_from is Origin.USER
