"""Where each argument value literally comes from: the user's words, a tool's output, or the model.

An instruction hidden in a web page needs a value of its own in the call: an address, a path, an account, a command.
Such a value is found in the page and not in what the user wrote, whatever the model was talked into.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

import regex

from so8t.gate.contract import Decision, Finding, Proposal, Source, ToolSpec
from so8t.gate.encodings import readable_copies
from so8t.gate.leaves import Leaf, leaves
from so8t.gate.plain import INVISIBLE, plain, squash
from so8t.gate.sources import Sources

_TRIVIAL = frozenset(
    (
        "utf-8",
        "utf8",
        "ascii",
        "true",
        "false",
        "none",
        "null",
        "yes",
        "no",
        "get",
        "post",
        "put",
        "json",
        "text",
        "html",
    )
)
_SEGMENTS = regex.compile(r"\n|;|&&|\|\|?|(?<=[.!?。！？])\s*")
MAX_PARTS = 3  # named in a mark: one is enough for the floor
SEGMENT = 12  # characters: a shorter piece of a sentence or a command line is nobody's
_PARTS = regex.compile(
    r"[\w+.-]+://[^\s\"'<>]+"  # address
    r"|[\w.+-]+@[\w-]+(?:\.[\w-]+)+"  # e-mail
    r"|(?:~|\.{1,2}|[A-Za-z]:)?[/\\][\w.@~/\\-]{2,}|[\w.-]+/[\w./-]+"  # path
    r"|[\w-]+(?:\.[\w-]+)+"  # host or file name
    r"|\d(?:[ -]?\d){5,}"  # account, card or phone number
    r"|[\w-]*\d[\w-]*"  # a token with a digit
)
_HOST = regex.compile(r"://(?:[^/@\s]*@)?([^/:?#\s]+)")


@dataclass(frozen=True, slots=True)
class Mark:
    """Where one value comes from, and which parts of it come from tools."""

    leaf: Leaf
    origin: str  # "user", "tool:<name>" or "model"
    parts: tuple[tuple[str, str], ...] = ()  # (part, tool's name)

    @property
    def tool(self) -> str | None:
        """The tool that the value or a part of it comes from."""
        whole = self.origin.removeprefix("tool:") if self.origin.startswith("tool:") else None
        return whole or next((tool for _, tool in self.parts), None)


class ContentJudge(Protocol):
    """A second head that flags tool results carrying instructions. Its findings count like those of this layer."""

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of what decides in it."""
        ...

    async def judge(self, proposal: Proposal) -> tuple[Finding, ...]:
        """Findings (source provenance) about the tool messages of the proposal's conversation."""
        ...


def marks(proposal: Proposal, sources: Sources) -> tuple[Mark, ...]:
    """One mark for each value and each nested name of the call's arguments."""
    if proposal.call is None:
        return ()
    return tuple(_mark(leaf, sources, _choices(proposal.tool, leaf)) for leaf in leaves(proposal.call))


def judge(proposal: Proposal, found: tuple[Mark, ...]) -> tuple[Finding, ...]:
    """The floor ESCALATE for calls that do more than read, where a tool's words or a flagged turn are behind them."""
    if proposal.call is None or (proposal.tool is not None and proposal.tool.only_reads):
        return ()
    reasons = [_reason(mark) for mark in found if mark.tool is not None]
    findings = [Finding(Source.PROVENANCE, Decision.ESCALATE, reason) for reason in dict.fromkeys(reasons)]
    if proposal.turn is not None and proposal.turn.decision is not Decision.ALLOW:
        why = "; ".join(proposal.turn.reasons) or "no reason recorded"
        findings.append(Finding(proposal.turn.source, Decision.ESCALATE, f"the user's turn was flagged: {why}"))
    return tuple(findings)


def _mark(leaf: Leaf, sources: Sources, choices: frozenset[str]) -> Mark:
    texts = (leaf.text, *readable_copies(leaf.text))
    if leaf.text and any(sources.user_said(spelling) for text in texts for spelling in (text, _bare(text))):
        return Mark(leaf, "user")
    if _is_trivial(leaf) or plain(leaf.text) in choices:
        return Mark(leaf, "model")
    tool = next((t for text in texts if (t := sources.tool_that_said(text))), None)
    if tool:
        return Mark(leaf, f"tool:{tool}")
    parts = dict.fromkeys(part for text in texts for part in _parts(text)) if sources.tools else ()
    told = ((part, t) for part in parts if (t := sources.tool_that_said(part)) and not sources.user_said(part))
    return Mark(leaf, "model", tuple(islice(told, MAX_PARTS)))


def _bare(text: str) -> str:
    """An address or path as people type it: without scheme, last slash or leading './'."""
    return text.removeprefix("https://").removeprefix("http://").removeprefix("./").rstrip("/") or text


def _is_trivial(leaf: Leaf) -> bool:
    """Values too small to have come from anywhere: flags, short numbers, codes that every call uses."""
    if leaf.kind in (bool, type(None), list, dict):
        return True
    if leaf.key and leaf.text.isascii() and leaf.text.isalpha():  # the name of a field: message, name, date
        return True
    text = squash(leaf.text)
    digits = text.lstrip("-").replace(".", "")
    return len(text) < 3 or text in _TRIVIAL or (digits.isdigit() and len(digits) < 4)


def _choices(tool: ToolSpec | None, leaf: Leaf) -> frozenset[str]:
    """Values that the tool's own schema offers (enum, default): choosing one is not copying from a page."""
    properties = tool.parameters.get("properties", {}) if tool else {}
    schema = properties.get(leaf.name, {}) if isinstance(properties, dict) else {}
    if not isinstance(schema, dict):
        return frozenset()
    listed = schema.get("enum", [])
    values = [*(listed if isinstance(listed, list) else []), schema.get("default")]
    return frozenset(plain(value) for value in values if isinstance(value, str))


def _parts(text: str) -> Iterator[str]:
    """The parts of a long value that can carry someone else's will."""
    for match in _PARTS.finditer(text):
        if len(squash(match.group())) >= 6:
            yield match.group().rstrip(".,;:!?)")
    for match in _HOST.finditer(text):
        yield match.group(1)
    for segment in _SEGMENTS.split(text):
        if segment and len(squash(segment)) >= SEGMENT:
            yield segment.strip()


def _reason(mark: Mark) -> str:
    name = mark.leaf.name
    if mark.parts:
        part, tool = mark.parts[0]
        return f"a part of the argument {name} ({_short(part)}) comes from the output of {tool}, not from the user"
    what = "a name inside the argument" if mark.leaf.key else "the argument"
    return f"{what} {name} ({_short(mark.leaf.text)}) comes from the output of {mark.tool}, not from the user"


def _short(text: str) -> str:
    """Enough of a value to recognise it, on one line."""
    line = "".join(c if c.isprintable() and not INVISIBLE.match(c) else f"<U+{ord(c):04X}>" for c in text[:61])
    return line if len(text) <= 60 else line + "..."
