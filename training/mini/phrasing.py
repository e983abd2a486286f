"""Reads the hand-written phrasing files: what each line says, and the call or the kind of reply that it means.

== read_file {"path": "{file}"}                   every line below it is a read_file call
== reply small_talk                               no tool: a reply of this kind
== after read_file search_text {"text": "{text}", "path": "{prev}"}    only right after a turn that used read_file
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from so8t.training.mini import wordlists
from so8t.training.mini.tokenizer import TOOLS
from so8t.training.mini.values import SLOTS

FOLDER = Path(__file__).parent / "phrasings"
USUAL, USUAL_WEIGHT = "plain.txt", 20  # the wordings that most people use count this many times
REPLIES = tuple(wordlists.table("replies")["replies"])
SLOT = re.compile(r"\{([a-z]+)\}")


class PhrasingError(ValueError):
    """A phrasing file has a line that cannot be understood; the message names file, line and what would be right."""


@dataclass(frozen=True)
class Phrasing:
    """One line that a person may type and what it means: a tool with arguments, or a kind of reply."""

    text: str
    tool: str | None
    arguments: dict[str, Any] = field(default_factory=dict)
    reply: str | None = None
    after: str | None = None

    @property
    def slots(self) -> set[str]:
        """The names of the slots in the line."""
        return set(SLOT.findall(self.text))


def read_folder(folder: Path = FOLDER) -> list[Phrasing]:
    """Every phrasing of every .txt file in `folder`, in the order of the file names.

    Raises PhrasingError where a line cannot be understood or there is no phrasing at all.
    """
    files = [path for path in sorted(folder.glob("*.txt")) for _ in range(USUAL_WEIGHT if path.name == USUAL else 1)]
    phrasings = [item for path in files for item in read_file(path)]
    if not phrasings:
        raise PhrasingError(f"{folder}: no phrasing in any .txt file")
    return phrasings


def read_file(path: Path) -> list[Phrasing]:
    """The phrasings of one file."""
    return list(parse(path.read_text(encoding="utf-8").splitlines(), str(path)))


def parse(lines: Iterable[str], source: str) -> Iterable[Phrasing]:
    """The phrasings in `lines`; `source` stands in the error messages."""
    section: Phrasing | None = None
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or (text.startswith("#") and not text.startswith("#{")):
            continue
        where = f"{source}:{number}"
        if text.startswith("== "):
            section = _header(text[3:].strip(), where)
            continue
        if section is None:
            raise PhrasingError(f"{where}: a phrasing before the first section; begin with a line '== TOOL {{...}}'")
        yield _line(text, section, where)


def _header(text: str, where: str) -> Phrasing:
    after = None
    if text.startswith("after "):
        _, after, text = text.split(" ", 2) if text.count(" ") >= 2 else (*text.split(" "), "")
        _known(after, TOOLS, where, "tool")
        if text.startswith("{"):
            text = f"{after} {text}"
    name, _, rest = text.partition(" ")
    if name == "reply":
        return Phrasing("", None, {}, _known(rest.strip(), REPLIES, where, "kind of reply"), after)
    _known(name, TOOLS, where, "tool")
    try:
        arguments = json.loads(rest or "{}")
    except ValueError as error:
        raise PhrasingError(f"{where}: the arguments are no JSON object: {error}") from None
    if not isinstance(arguments, dict):
        raise PhrasingError(f"{where}: the arguments must be a JSON object, not {rest}")
    return Phrasing("", name, arguments, None, after)


def _known(name: str, names: Iterable[str], where: str, what: str) -> str:
    if name not in names:
        raise PhrasingError(f"{where}: unknown {what} '{name}'; known: {', '.join(names)}")
    return name


def _line(text: str, section: Phrasing, where: str) -> Phrasing:
    phrasing = Phrasing(text, section.tool, section.arguments, section.reply, section.after)
    given = phrasing.slots | ({"zone"} if "city" in phrasing.slots else set()) | ({"prev"} if section.after else set())
    needed = set(SLOT.findall(json.dumps(section.arguments)))
    if unknown := (phrasing.slots | needed) - SLOTS:
        raise PhrasingError(f"{where}: unknown slot {sorted(unknown)}; known: {', '.join(sorted(SLOTS))}")
    if missing := needed - given:
        raise PhrasingError(f"{where}: the line lacks {sorted(missing)}, which the section's arguments need")
    return phrasing
