"""What the user says: the request, and a clause for each attribute that words must show."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from so8t.training.generated import actions
from so8t.training.generated.actions import PEOPLE
from so8t.training.generated.attributes import (
    AskedBy,
    Authority,
    Deed,
    Distraction,
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
from so8t.training.generated.form import compose, spelling
from so8t.training.generated.possible import IN_ANOTHERS_NAME
from so8t.training.generated.scene import Scene
from so8t.training.generated.vocabulary import Slots, table

QUESTION = re.compile(r"(what|whether|who|when|where|which|how|is|does|did|since|last)\b", re.IGNORECASE)
MYSELF = ("that's me", "my own entry", "I mean my own, that's my name", "that is myself")
IN_NAME = (
    "in {name2} {surname2}'s name",
    "from {name2}'s account, as {name2}",
    "sign as {name2} {surname2}",
    "on behalf of {name2}",
)


def ask(scene: Scene, named: str, text: str, form: Form) -> str:
    """The request itself, in the words of the action."""
    slots, change = scene.slots, spelling(form, scene.slots.dice)
    literal = text in (scene.text, scene.written, scene.told_text)
    quoted = slots.dice.pick("quotes", ('"{}"', "'{}'", "{}", "{}")).format(text) if literal else text
    return slots.also(target=named, text=quoted).fill(slots.dice.pick("ask", scene.action.asks), change)


def fitting(frames: Sequence[str], request: str) -> list[str]:
    """Those frames in which the request can stand: a question needs a place of its own."""
    if not QUESTION.match(request):
        return list(frames)
    return [frame for frame in frames if frame.startswith("{ask}") or ": {ask}" in frame]


def place(scene: Scene) -> str:
    """Where a tool result comes from."""
    return scene.slots.fill(scene.slots.dice.pick("place", table("phrases")["result"]["places"]))


def said(scene: Scene) -> str:
    """The user's last message."""
    a, slots = scene.a, scene.slots
    if a.asked_by is AskedBy.CONTENT:
        frame = slots.dice.pick("other task", table("phrases")["other_task"]["frames"])
        return compose(
            [slots.also(place=place(scene)).fill(frame, spelling(a.form, slots.dice)), *_reason(scene)], a.form, slots
        )
    text = {Origin.USER: scene.text, Origin.MODEL: "a few lines on the {topic}", Origin.TOOL: "what it says there"}[
        a.text_from
    ]
    request = _framed(scene, ask(scene, scene.named, slots.fill(text), a.form))
    if a.mode is Mode.QUESTION:
        return compose([request], Form.PLAIN, slots)
    clauses = [
        clause
        for part in (_owner, _stakes, _recipient, _environment, _mode, _authority, _reason)
        for clause in part(scene)
    ]
    return compose([request, *sorted(clauses, key=slots.dice.number)], a.form, slots)


def _framed(scene: Scene, request: str) -> str:
    a, slots, phrases = scene.a, scene.slots, table("phrases")
    frame = "{ask}"
    if a.mode is Mode.QUESTION:
        frame = slots.dice.pick("question", phrases["question"]["frames"])
    elif a.target_from is Origin.TOOL or a.text_from is Origin.TOOL:
        frame = slots.dice.pick("lookup", fitting(phrases["lookup"]["frames"], request))
    elif a.distraction is not Distraction.NOTHING:
        frame = slots.dice.pick("first", fitting(phrases["first"]["frames"], request))
    if a.scope is Scope.NARROWER:
        also = actions.one(scene.action.kind, Slots(slots.dice.below("third")))
        request = slots.also(ask=request, other=also).fill(slots.dice.pick("narrower", phrases["narrower"]["frames"]))
    return slots.also(ask=request, place=place(scene)).fill(frame, spelling(a.form, slots.dice))


def _owner(scene: Scene) -> Iterator[str]:
    """Always said of people and of what is at stake; of a plain thing of the user's own now and then."""
    a, slots = scene.a, scene.slots
    harmful = a.purpose is not Purpose.ORDINARY
    if a.deed in IN_ANOTHERS_NAME:
        if a.owner is Owner.OTHER:
            yield slots.fill(slots.dice.pick("owner", IN_NAME))
        return
    if a.owner is Owner.OWN:
        matters = scene.action.kind in PEOPLE or (a.deed is Deed.READ and a.stakes is not Stakes.NONE)
        if harmful or not (matters or a.environment is Environment.SCRATCH or slots.dice.chance("own") < 0.35):
            return
        if scene.action.kind in PEOPLE:
            yield slots.dice.pick("owner", MYSELF)
            return
    yield _say(scene, slots.dice.pick("owner", table("phrases")["owner"][a.owner]))


def _stakes(scene: Scene) -> Iterator[str]:
    """Said where the action alone does not show it."""
    a = scene.a
    needed = len(set(scene.action.stakes)) > 1 and Stakes.NONE in scene.action.stakes and a.deed is not Deed.READ
    if needed and (a.stakes is not Stakes.NONE or scene.slots.dice.chance("no stakes said") < 0.5):
        yield _say(scene, scene.slots.dice.pick("stakes", table("phrases")["stakes"][a.stakes]))


def _recipient(scene: Scene) -> Iterator[str]:
    """Whether somebody is near or outside; of those near, mostly."""
    a, dice = scene.a, scene.slots.dice
    near = a.reach is Reach.ONE and dice.chance("recipient said") < 0.6
    if a.deed is Deed.SEND and actions.has_outside(scene.action.kind) and (near or a.reach is Reach.OUTSIDE):
        yield _say(scene, dice.pick("recipient", table("phrases")["recipient"][a.reach]))


def _environment(scene: Scene) -> Iterator[str]:
    """Always said where there is no call to show it, where it excuses much, and where the call has another one."""
    a, asked = scene.a, scene.asked_environment
    told = not a.call or asked is Environment.SCRATCH or a.scope is Scope.OTHER_ENVIRONMENT
    if asked is not Environment.EVERYDAY and (told or scene.slots.dice.chance("environment said") < 0.6):
        yield _say(scene, scene.slots.dice.pick("environment", table("phrases")["environment"][asked]))


def _mode(scene: Scene) -> Iterator[str]:
    a, phrases = scene.a, table("phrases")
    if a.mode is Mode.PREVIEW or a.scope is Scope.ACTS_EARLY:
        yield _say(scene, scene.slots.dice.pick("preview", phrases["preview"][a.deed]))
    elif not a.reversible and scene.action.permanent:
        yield _say(scene, scene.slots.dice.pick("permanent", phrases["permanent"]["said"]))


def _authority(scene: Scene) -> Iterator[str]:
    if scene.a.authority is not Authority.NONE_NEEDED:
        yield _say(scene, scene.slots.dice.pick("authority", table("phrases")["authority"][scene.a.authority]))


def _reason(scene: Scene) -> Iterator[str]:
    """A harmful purpose is its reason; others have one about as often, and mostly one that sounds alike."""
    purposes, dice = table("purposes"), scene.slots.dice
    if scene.a.purpose is not Purpose.ORDINARY:
        yield _say(scene, dice.pick("reason", purposes[scene.a.purpose]["reasons"]))
    elif dice.chance("with reason") < 0.8:
        mirrors = [name for name, entry in purposes.items() if scene.a.deed in entry["deeds"].split()]
        if mirrors and dice.chance("mirror") < 0.7:
            yield _say(scene, dice.pick("reason", purposes[dice.pick("mirrored", mirrors)]["mirrors"]))
        else:
            yield _say(scene, dice.pick("reason", purposes[Purpose.ORDINARY]["reasons"]))


def _say(scene: Scene, template: str) -> str:
    return scene.slots.fill(template, spelling(scene.a.form, scene.slots.dice))
