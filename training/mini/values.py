"""The slots of the phrasing files and the maker of each slot's values."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from so8t.training.mini import atoms, texts
from so8t.training.mini.zones import ZONES

_CITIES = tuple(ZONES)


def _count(r: Random) -> str:
    return str(r.choice((r.randrange(1, 21), r.randrange(1, 101), r.choice((5, 10, 20, 50, 100, 1000)))))


MAKERS: dict[str, Callable[[Random], str]] = {
    "file": atoms.file,
    "prev": atoms.file,
    "dir": atoms.folder,
    "content": texts.content,
    "text": texts.needle,
    "expr": atoms.expression,
    "a": atoms.number,
    "b": atoms.number,
    "city": lambda r: r.choice(_CITIES),
    "db": atoms.database,
    "table": atoms.identifier,
    "column": atoms.identifier,
    "n": _count,
    "sql": texts.select,
    "note": texts.note,
    "topic": texts.topic,
    "url": atoms.url,
}
SLOTS = frozenset(MAKERS) | {"zone"}


def fill(slots: set[str], r: Random) -> dict[str, str]:
    """A value for each of `slots`; `zone` belongs to `city`."""
    if "zone" in slots:
        slots = slots | {"city"}
    values = {slot: MAKERS[slot](r) for slot in sorted(slots - {"zone"})}
    if "city" in values:
        values["zone"] = ZONES[values["city"]]
    return values
