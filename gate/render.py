"""A proposal as the text that the head reads. Training imports this module too: change it, and RENDERING must change.

Fields, each opened by ¶ (which no other text can contain, so that nothing can forge a field):

    ¶ call write_file ¶ effects write ¶ save text to a file ¶ from user path: notes.md ¶ from user content: buy milk
    ¶ user: write buy milk to notes.md
    ¶ before: list_files path=.

Never raw tool output, never the assistant's prose, never system text: words aimed at the judge do not reach it. Text is
NFKC without invisible characters: a look-alike spelling is read as what it stands for.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterator

import regex

from so8t.gate.backbones import Rendered
from so8t.gate.contract import Call, Effect, Proposal, ToolSpec
from so8t.gate.encodings import readable_copies
from so8t.gate.leaves import TooManyValues, leaves
from so8t.gate.plain import INVISIBLE
from so8t.gate.provenance import Mark
from so8t.gate.strict_json import NotStrictJson
from so8t.gate.windows import FIELD
from so8t.gate.words import user_words

RENDERING = "2"
SHORT_FIELD = 100  # characters of an argument that stands in the header; a longer one is body, whole
HEADER_FIELDS = 500  # characters of all arguments in the header; what is beyond is body
DESCRIPTION = 100
PRIOR_CALLS = 4  # shown with arguments; older ones are counted by name
PRIOR_VALUE = 40
PRIOR_CALL = 160

_SPACE = regex.compile(r"[\s\p{Cc}\p{Z}]+")
_SPECIAL = regex.compile(r"([<\[])(?=\S)")  # <|im_start|>, [SEP], <s>: a space makes them plain text


def render(proposal: Proposal, marks: tuple[Mark, ...]) -> Rendered:
    """Header and body of a proposal; `marks` as provenance.marks() gives them.

    Raises:
        NotStrictJson: arguments that are no canonical JSON object.
    """
    if proposal.call is None:
        return Rendered(f"{FIELD} user turn", tuple(_words(proposal)))
    return _render_call(proposal, proposal.call, [m for m in marks if not m.leaf.key])


def text_of(text: str) -> str:
    """Text from outside, as it may stand in a field: one line, plain spelling, no field mark, no special tokens."""
    plain = INVISIBLE.sub("", unicodedata.normalize("NFKC", text)).replace(FIELD, "|")
    return str(_SPECIAL.sub(r"\1 ", _SPACE.sub(" ", plain)).strip())


def _render_call(proposal: Proposal, call: Call, marks: list[Mark]) -> Rendered:
    header = [f"call {text_of(call.name)}", f"effects {_effects(proposal.tool)}"]
    if proposal.tool and proposal.tool.description:
        header.append(_sentence(proposal.tool.description))
    body: list[str] = []
    room = HEADER_FIELDS
    for mark in marks:
        field = f"{_label(mark)}: {text_of(mark.leaf.text)}"
        short = len(field) <= min(SHORT_FIELD, room)
        room -= len(field) if short else 0
        (header if short else body).append(field)
    flags = _flags(proposal, marks, len(body))
    header += [f"flags {', '.join(flags)}"] if flags else []
    decoded = [f"decoded {text_of(m.leaf.name)}: {text_of(t)}" for m in marks for t in readable_copies(m.leaf.text)]
    lines = [*_fields(decoded), *_words(proposal), *_fields(_before(proposal)), *_fields(body)]
    return Rendered(" ".join(_fields(header)), tuple(lines))


def _fields(texts: list[str]) -> list[str]:
    return [f"{FIELD} {text}" for text in texts]


def _effects(tool: ToolSpec | None) -> str:
    if tool is None or tool.effects is None:
        return "unknown"
    return " ".join(effect for effect in Effect if effect in tool.effects) or "none"


def _sentence(description: str) -> str:
    """The first sentence, cut at a word."""
    first = regex.split(r"(?<=[.!?。])\s", text_of(description), maxsplit=1)[0]
    return first if len(first) <= DESCRIPTION else first[:DESCRIPTION].rsplit(" ", 1)[0]


def _label(mark: Mark) -> str:
    origin = mark.origin.partition(":")[0]
    return f"from {origin}{' and tool' if mark.parts else ''} {text_of(mark.leaf.name)}"


def _flags(proposal: Proposal, marks: list[Mark], long_values: int) -> list[str]:
    flags = []
    if any(mark.tool for mark in marks):
        flags.append("value from tool")
    if any(message.role == "tool" for message in proposal.messages):
        flags.append("tool results seen")
    if any(readable_copies(mark.leaf.text) for mark in marks):
        flags.append("encoded")
    if long_values:
        flags.append("long values below")
    return flags


def _words(proposal: Proposal) -> Iterator[str]:
    """The user's words, latest first, and what is encoded in the last message."""
    words = user_words(proposal.messages)
    yield f"{FIELD} user: {text_of(words.latest)}"
    for plain in readable_copies(words.latest):
        yield f"{FIELD} decoded user: {text_of(plain)}"
    for text in words.earlier:
        yield f"{FIELD} earlier: {text_of(text)}"
    if words.omitted:
        yield f"{FIELD} earlier messages omitted {words.omitted}"


def _before(proposal: Proposal) -> list[str]:
    """The calls so far, latest first: the last few with short arguments, all others counted."""
    calls = [call for message in proposal.messages for call in message.calls][::-1]
    calls = [call for call in calls if proposal.call is None or call.id != proposal.call.id]
    shown = [_short_call(call) for call in calls[:PRIOR_CALLS]]
    older = Counter(text_of(call.name) for call in calls[PRIOR_CALLS:])
    lines = [f"before: {'; '.join(shown)}"] if shown else []
    return lines + ([f"long before: {', '.join(f'{n} {name}' for name, n in older.items())}"] if older else [])


def _short_call(call: Call) -> str:
    try:
        values = [
            f"{text_of(leaf.name)}={_cut(text_of(leaf.text), PRIOR_VALUE)}" for leaf in leaves(call) if not leaf.key
        ]
    except (NotStrictJson, TooManyValues):  # it never ran: validation sent it back to the model
        values = ["unreadable arguments"]
    return _cut(" ".join([text_of(call.name), *values]), PRIOR_CALL)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[:most] + "…"
