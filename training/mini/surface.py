"""Light noise on a phrasing outside its values: other words for the same thing, capitals, punctuation, typos."""

from __future__ import annotations

import re
from collections.abc import Mapping
from random import Random

from so8t.training.mini import wordlists
from so8t.training.mini.phrasing import SLOT

_WORDS = wordlists.table("surface")
SYNONYMS: dict[str, list[str]] = _WORDS["synonyms"]
OPENERS: list[str] = _WORDS["openers"]
REQUESTS: list[str] = _WORDS["requests"]
CLOSERS: list[str] = _WORDS["closers"]
ASIDES = wordlists.lines("asides")
_SYNONYM = re.compile(
    r"\b(" + "|".join(sorted(map(re.escape, SYNONYMS), key=len, reverse=True)) + r")\b", re.IGNORECASE
)
_DROPPABLE = re.compile(r"\b(the|a|me|my|please|just|for me) ", re.IGNORECASE)
_IMPERATIVE = re.compile("(" + "|".join(_WORDS["imperatives"]) + r")\b", re.IGNORECASE)
OPEN_ENDED = frozenset({"content", "text", "note", "topic", "expr", "sql", "url"})
QUOTES = (('"', '"'), ('"', '"'), ("'", "'"), ("“", "”"), ("`", "`"), ("‘", "’"), ("«", "»"))


def utter(text: str, values: Mapping[str, str], r: Random) -> str:
    """The phrasing `text` as somebody would type it, its slots filled by `values`, which stay exactly as they are."""
    parts = SLOT.split(text)  # phrase, slot, phrase, slot, ..., phrase
    phrases, slots = parts[::2], parts[1::2]
    ends_open = bool(slots) and slots[-1] in OPEN_ENDED and not phrases[-1].strip()
    if r.random() < 0.45:
        phrases = [_SYNONYM.sub(lambda match: _swap(match.group(), r), phrase) for phrase in phrases]
    if r.random() < 0.06:
        phrases = [_drop(phrase) if r.random() < 0.7 else phrase for phrase in phrases]
    if r.random() < 0.06:
        at = r.randrange(len(phrases))
        phrases[at] = _typo(phrases[at], r)
    phrases = _politeness(phrases, ends_open, r)
    phrases = _case(phrases, r)
    phrases = _stop(phrases, slots, ends_open, r)
    said = _join(phrases, slots, values, r).strip()
    return _aside(said, ends_open, r) if said and r.random() < 0.08 else said


def _aside(said: str, ends_open: bool, r: Random) -> str:
    """A sentence that changes nothing, before what is said or (where no value ends it) after it."""
    aside = r.choice(ASIDES)
    if r.random() < 0.5:
        aside = aside[0].upper() + aside[1:]
    if ends_open or r.random() < 0.6:
        return f"{aside} {said}"
    return f"{said} {aside}" if said[-1] in "?.!" else f"{said}{r.choice(('.', ',', '?', ' -'))} {aside}"


def _drop(phrase: str) -> str:
    return _DROPPABLE.sub("", phrase, count=1) or phrase


def _swap(found: str, r: Random) -> str:
    if r.random() < 0.6:
        return found
    word = r.choice(SYNONYMS.get(found, SYNONYMS.get(found.lower(), [found])))
    return word[0].upper() + word[1:] if found[0].isupper() and found != "I" and not found.startswith("I ") else word


def _typo(phrase: str, r: Random) -> str:
    words = list(re.finditer(r"[a-z]{4,}", phrase))
    if not words:
        return phrase
    match = r.choice(words)
    at = r.randrange(match.start(), match.end() - 1)
    kind = r.random()
    if kind < 0.4:
        return phrase[:at] + phrase[at + 1] + phrase[at] + phrase[at + 2 :]
    return phrase[:at] + (phrase[at] * 2 if kind < 0.6 else "") + phrase[at + 1 :]


def _politeness(phrases: list[str], ends_open: bool, r: Random) -> list[str]:
    first, last = phrases[0], phrases[-1]
    kind = r.random()
    if kind < 0.14 and _IMPERATIVE.match(first):
        first = r.choice(REQUESTS) + " " + first[0].lower() + first[1:]
    if r.random() < 0.09:
        opener = r.choice(OPENERS) + " "
        first = opener + (first if first.startswith(("I ", "I'")) else first[:1].lower() + first[1:])
    if not ends_open and r.random() < 0.09:
        stop = last[-1] if last and last[-1] in "?.!" else ""
        closer = r.choice(CLOSERS)
        last = last[: len(last) - len(stop)] + ("" if closer[0] == "," else " ") + closer
        last += stop if r.random() < 0.5 else ""
    if len(phrases) == 1:
        return [first if first != phrases[0] else last]
    return [first, *phrases[1:-1], last]


def _case(phrases: list[str], r: Random) -> list[str]:
    kind = r.random()
    if kind < 0.14:
        return [phrase.lower() for phrase in phrases]
    if kind < 0.40:
        return [phrases[0][:1].upper() + phrases[0][1:], *phrases[1:]]
    if kind < 0.52:
        first = phrases[0]
        return [first if first.startswith("I") else first[:1].lower() + first[1:], *phrases[1:]]
    return [phrase.upper() for phrase in phrases] if kind < 0.525 else phrases


def _stop(phrases: list[str], slots: list[str], ends_open: bool, r: Random) -> list[str]:
    last, kind = phrases[-1], r.random()
    if last and last[-1] in "?.!" and kind < 0.25:
        last = last[:-1]
    elif not ends_open and (not last or last[-1] not in "?.!:,\"'`”’»") and kind < 0.2:
        last += r.choice("..?!") if last.strip() else r.choice("?.!")
    elif ends_open and slots[-1] == "note" and kind < 0.1:
        last = "."
    return [*phrases[:-1], last]


def _join(phrases: list[str], slots: list[str], values: Mapping[str, str], r: Random) -> str:
    out = phrases[0]
    for slot, phrase in zip(slots, phrases[1:], strict=True):
        value = values[slot]
        if out[-1:] in ("\"'`“‘«") and out[-1:] and phrase[:1] in ("\"'`”’»") and phrase[:1]:
            opening, closing = (
                _quotes(value, r)
                if out[-1] in value or phrase[0] in value or r.random() < 0.2
                else (out[-1], phrase[0])
            )
            out, phrase = out[:-1] + opening, closing + phrase[1:]
        elif (slot in ("file", "dir", "db", "prev") and " " in value) or r.random() < _QUOTED.get(slot, 0.0):
            value = value.join(_quotes(value, r))
        out += value + phrase
    return out


_QUOTED = {
    "content": 0.2,
    "text": 0.2,
    "note": 0.03,
    "topic": 0.04,
    "file": 0.03,
    "dir": 0.03,
    "url": 0.02,
    "expr": 0.01,
    "sql": 0.08,
    "table": 0.02,
}


def _quotes(value: str, r: Random) -> tuple[str, str]:
    usable = [pair for pair in QUOTES if pair[0] not in value and pair[1] not in value]
    return r.choice(usable or [("«", "»")])
