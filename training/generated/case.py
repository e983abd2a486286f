"""Attributes and an action -> a case in the form of gate/cases.py."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from so8t.training.generated import actions
from so8t.training.generated.actions import Action
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
    Scope,
)
from so8t.training.generated.labels import ALWAYS_STAKES, judge
from so8t.training.generated.request import ask, fitting, place, said
from so8t.training.generated.scene import Scene, scene
from so8t.training.generated.vocabulary import table

Json = dict[str, Any]
HARD = frozenset({Scope.CONTENT_TARGET, Scope.OTHER_TARGET, Scope.ACTS_EARLY, Scope.OTHER_ENVIRONMENT})


def case(a: Attributes, action: Action, seed: str) -> Json:
    """The case without id and pair. One seed and one action are one situation, whatever the attributes."""
    s, judged = scene(a, action, seed), judge(a)
    return {
        "source": "generated",
        "lang": "en",
        "messages": [*_system(s), *_earlier(s), {"role": "user", "content": said(s)}, *_check(s), *_result(s)],
        "tool": _tool(s) if a.call else None,
        "call": {"name": actions.tool_name(action, s.slots.dice), "arguments": _arguments(s)} if a.call else None,
        "label": judged.label,
        "category": "injection"
        if a.asked_by is AskedBy.CONTENT or a.scope is Scope.CONTENT_TARGET
        else action.category,
        "difficulty": _difficulty(a),
        "rationale": judged.rationale,
        "attributes": a.json() | {"action": action.name},
    }


def _tool(s: Scene) -> Json:
    name, dice = actions.tool_name(s.action, s.slots.dice), s.slots.dice
    told = dice.chance("described") < 0.92
    return {
        "name": name,
        "description": dice.pick("does", s.action.does) if told else "",
        "effects": list(s.action.effects),
    }


def _arguments(s: Scene) -> Json:
    """Target, text and environment, in an order of the tool's own; then flags."""
    a, dice, key = s.a, s.slots.dice, actions.target_key(s.action, s.slots.dice)
    found: Json = {key: [s.target] if dice.chance("listed") < 0.12 else s.target}
    for name, template in s.action.more.items():
        found.setdefault(actions.key_name(name, dice), s.slots.fill(template))
    if s.action.text:
        found.setdefault(actions.other_key("text", dice), s.written)
    if a.environment is not Environment.EVERYDAY:
        named = dice.pick("environment name", table("phrases")["environment_value"][a.environment])
        found.setdefault(actions.other_key("environment", dice), named)
    ordered = {name: found[name] for name in sorted(found, key=dice.number)}
    return ordered | {actions.key_name(k, dice): v for k, v in _flags(s).items() if k not in found}


def _flags(s: Scene) -> Json:
    a, dice, phrases = s.a, s.slots.dice, table("phrases")
    flags: Json = {}
    options = phrases["preview_arguments"][a.deed], phrases["act_arguments"][a.deed]
    number = dice.number("switch") % len(options[0])
    may_look = a.mode is Mode.PREVIEW or a.scope is Scope.ACTS_EARLY
    if may_look or dice.chance("with switch") < 0.5 or a.deed is Deed.DISABLE:
        flags |= options[0 if a.mode is Mode.PREVIEW else 1][number]
    if not a.reversible and s.action.permanent:
        flags |= dice.pick("permanent", phrases["permanent"]["arguments"])
    if a.scope is Scope.EXTRA_FLAG:
        flags |= dice.pick("flag", phrases["flags"][a.deed])
    return flags


def _system(s: Scene) -> Iterator[Json]:
    if s.slots.dice.chance("with system") < 0.2:
        line = s.elsewhere.dice.pick("system", table("phrases")["system"]["lines"])
        yield {"role": "system", "content": s.elsewhere.fill(line)}


def _earlier(s: Scene) -> Iterator[Json]:
    """Turns that change nothing."""
    if s.a.earlier is Earlier.NOTHING:
        return
    other = s.elsewhere
    parts = [other.fill(part) for part in other.dice.pick("earlier", table("phrases")["earlier"][s.a.earlier])]
    yield {"role": "user", "content": parts[0]}
    if s.a.earlier is Earlier.TASK:
        yield from _looked(parts[1], parts[2], parts[3])
    yield {"role": "assistant", "content": parts[-1]}


def _check(s: Scene) -> Iterator[Json]:
    """A look-up that bears the user's right out."""
    if s.a.authority is Authority.CONFIRMED:
        phrases, dice = table("phrases")["check"], s.slots.dice
        result = s.elsewhere.also(target="this").fill(dice.pick("check result", phrases["results"]))
        yield from _looked(dice.pick("check tool", phrases["tools"]), s.action.domain, result)


def _result(s: Scene) -> Iterator[Json]:
    """What was looked up for the request: a value, an order to the assistant, or something ordinary."""
    a, other, phrases = s.a, s.elsewhere, table("phrases")["result"]
    if a.asked_by is AskedBy.CONTENT or a.distraction is Distraction.ORDER:
        order = ask(s, s.foreign, s.written if a.asked_by is AskedBy.CONTENT else s.told_text, Form.PLAIN)
        text = other.also(ask=order).fill(other.dice.pick("order", fitting(phrases["orders"], order)))
    elif a.target_from is Origin.TOOL:
        text = other.also(called=s.called, value=s.foreign).fill(other.dice.pick("value", phrases["values"]))
    elif a.text_from is Origin.TOOL:
        text = other.dice.pick("text frame", ["{}", "{}. More soon.", "Note: {}", "{}\n-- end"]).format(s.told_text)
    elif a.distraction is Distraction.RESULT:
        text = other.fill(other.dice.pick("plain", phrases["plain"]))
    else:
        return
    yield from _looked(s.slots.dice.pick("place", phrases["tools"]), place(s), text)


def _looked(tool: str, what: str, result: str) -> Iterator[Json]:
    yield {"role": "assistant", "content": "", "tool_calls": [{"name": tool, "arguments": {"what": what}}]}
    yield {"role": "tool", "content": result}


def _difficulty(a: Attributes) -> str:
    """easy: the call alone decides; medium: with the request; hard: only the whole context."""
    context = a.asked_by is AskedBy.CONTENT or a.authority is Authority.CONFIRMED or a.target_from is Origin.TOOL
    if context or a.scope in HARD or a.distraction is Distraction.ORDER:
        return "hard"
    plain = a.purpose is Purpose.ORDINARY and a.scope is Scope.EQUAL and a.mode is not Mode.PREVIEW
    decided = a.deed in (*ALWAYS_STAKES, Deed.DISABLE) or a.environment is Environment.PRODUCTION
    small = a.deed is Deed.READ and a.owner is Owner.OWN and a.environment is not Environment.SCRATCH
    return "easy" if plain and (decided or small or a.clarity is Clarity.UNREADABLE) else "medium"
