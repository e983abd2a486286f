"""What tools do (lexicon/actions/*.toml), under many names, and what they do it to (kinds.toml)."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from so8t.training.generated.attributes import Deed, Stakes
from so8t.training.generated.vocabulary import FOLDER, Dice, Slots, table

EFFECTS = {
    Deed.READ: ("read",), Deed.CREATE: ("write",), Deed.EDIT: ("write",), Deed.DELETE: ("write",), Deed.RUN: ("exec",),
    Deed.SEND: ("send",), Deed.PUBLISH: ("send", "network"), Deed.PAY: ("pay", "network"), Deed.GRANT: ("identity",),
    Deed.CONFIGURE: ("write",), Deed.ACTUATE: ("physical",), Deed.DISABLE: ("write", "identity"),
}  # fmt: skip
PEOPLE = frozenset({"person", "patient", "user"})  # kinds that are somebody: whose data it is, is always said
WHOLE = frozenset({"path", "user", "host", "domain", "guard"})  # kinds of which all there is would be a catastrophe

Style = Callable[[str, str], str]  # (domain, "verb noun") -> a tool's name


@dataclass(frozen=True, slots=True)
class Action:
    """One thing that a domain's tools do."""

    name: str  # domain.action
    category: str
    deed: Deed
    kind: str
    tools: tuple[str, ...]  # "verb noun"
    does: tuple[str, ...]
    asks: tuple[str, ...]
    effects: tuple[str, ...]
    stakes: tuple[Stakes, ...] = (Stakes.NONE,)
    more: Mapping[str, str] = field(default_factory=dict)  # further arguments
    system: bool = False  # it has environments
    reversible: bool = True
    permanent: bool = False  # it can be made irreversible
    text: bool = False  # it has a text
    public: bool = False  # what it reads is everybody's
    harmless: bool = False  # nobody reads this to do harm

    @property
    def domain(self) -> str:
        """The first part of the name."""
        return self.name.partition(".")[0]


@cache
def actions() -> tuple[Action, ...]:
    """All, by name."""
    found: dict[str, Action] = {}
    for file in sorted((FOLDER / "actions").glob("*.toml")):
        for domain, inside in tomllib.loads(file.read_text(encoding="utf-8")).items():
            found |= {f"{domain}.{name}": _action(f"{domain}.{name}", entry) for name, entry in inside.items()}
    return tuple(found[name] for name in sorted(found))


def _action(name: str, entry: dict[str, Any]) -> Action:
    deed = Deed(entry.pop("deed"))
    return Action(
        name=name,
        deed=deed,
        tools=tuple(entry.pop("tools").split("|")),
        does=tuple(entry.pop("does").split("|")),
        asks=tuple(entry.pop("asks")),
        effects=tuple(entry.pop("effects", EFFECTS[deed])),
        stakes=tuple(Stakes(s) for s in entry.pop("stakes", ["none"])),
        **entry,
    )


def _camel(text: str) -> str:
    first, *rest = text.split()
    return first + "".join(word.capitalize() for word in rest)


def _pascal(text: str) -> str:
    return "".join(word.capitalize() for word in text.split())


def _snake(text: str) -> str:
    return text.replace(" ", "_")


STYLES: tuple[Style, ...] = (
    lambda d, t: _snake(t),
    lambda d, t: _camel(t),
    lambda d, t: f"{d}.{_snake(t)}",
    lambda d, t: f"{d}.{_camel(t)}",
    lambda d, t: f"{d.capitalize()}.{_pascal(t)}",
    lambda d, t: t.replace(" ", "-"),
    lambda d, t: f"{d}_{_snake(t)}",
    lambda d, t: f"mcp__{d}__{_snake(t)}",
    lambda d, t: f"{d.upper()}_{_snake(t).upper()}",
    lambda d, t: _pascal(t),
    lambda d, t: f"{d}:{t.replace(' ', '-')}",
    lambda d, t: f"{d}_api.{_snake(t)}",
    lambda d, t: d,
)


def tool_name(action: Action, dice: Dice) -> str:
    """One of the action's tools, in one of the styles in which people name tools."""
    return dice.pick("style", STYLES)(action.domain, dice.pick("tool", action.tools))


def key_name(name: str, dice: Dice) -> str:
    """An argument's name in the style of the tool's."""
    return _camel(name.replace("_", " ")) if dice.number("style") % len(STYLES) in (1, 3, 4, 9) else name


def one(kind: str, slots: Slots) -> str:
    """A single thing of this kind, as it stands in a call."""
    return slots.fill(slots.dice.pick("one", _kind(kind)["one"]))


def outside(kind: str, slots: Slots) -> str:
    """One beyond the user's own circle. Only kinds that have such."""
    return slots.fill(slots.dice.pick("one", _kind(kind)["outside"]))


def has_outside(kind: str) -> bool:
    """Whether there is an outside for this kind."""
    return "outside" in _kind(kind)


def many(kind: str, slots: Slots) -> str:
    """A set around the single thing."""
    return slots.fill(slots.dice.pick("many", _kind(kind)["many"]))


def everything(kind: str, slots: Slots) -> str:
    """All there is."""
    return slots.fill(slots.dice.pick("everything", _kind(kind)["everything"]))


def called(kind: str, slots: Slots) -> str:
    """How the user names the thing without giving its value."""
    return slots.fill(slots.dice.pick("called", _kind(kind)["called"]))


def garbled(value: str, dice: Dice) -> str:
    """A value that nobody can read: cut off, or noise."""
    if dice.chance("garbled") < 0.4:
        return value[: max(3, len(value) // 2)] + dice.pick("cut", ["…", "\\", " -", "%", "$("])
    noise = "".join(dice.pick(f"noise{n}", "qxzvjkwQXZ7390~^#%") for n in range(14 + dice.number("length") % 10))
    return dice.pick("shape", ["{}", "{}=", "${{{}}}", "<{}", "{};"]).format(noise)


def _kind(kind: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = table("kinds")[kind]
    return found


def target_key(action: Action, dice: Dice) -> str:
    """The argument that holds the target."""
    return key_name(dice.pick("key", re.split(" ", table("keys")["target"][action.kind])), dice)


def other_key(name: str, dice: Dice) -> str:
    """The argument that holds a text or an environment."""
    return key_name(dice.pick(f"key {name}", table("keys")["other"][name].split()), dice)
