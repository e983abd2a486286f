"""What may reach a terminal: text from anyone, made harmless and honest.

Everything that could move the cursor, hide, reorder or fake text is shown as a marker such as ‹U+202E›. What passes:
letters, digits, punctuation and symbols of the scripts in everyday use (Japanese among them) with a few combining
marks each, the space, the ideographic space, emoji. Unicode properties are those of UAX #44.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import regex

from so8t.gate.scripts import EVERYDAY

MARKS = 4  # combining marks on one character; no living language needs more

_SCRIPTS = r"\p{sc=Common}\p{sc=Inherited}" + "".join(rf"\p{{scx={name}}}" for name in EVERYDAY)
# Blank, though Unicode calls them symbols or letters: braille and musical blanks, hieroglyph blanks, object replacement
_HIDDEN = r"\p{Default_Ignorable_Code_Point}\p{Bidi_Control}\u2800\uFFFC\U0001D159\U00013441\U00013442"
_VISIBLE = rf"[[\p{{L}}\p{{N}}\p{{P}}\p{{S}}]&&[{_SCRIPTS}]--[{_HIDDEN}]]"
_STACKED = rf"[[\p{{Mn}}\p{{Me}}]&&[{_SCRIPTS}]--[{_HIDDEN}]]"  # drawn over the character
_BESIDE = rf"[\p{{Mc}}&&[{_SCRIPTS}]--[{_HIDDEN}]]"  # vowel signs that take room of their own
_EMOJI = rf"[{_VISIBLE}&&\p{{Extended_Pictographic}}]\uFE0F"
_PLAIN = rf"[ \u3000]|{_EMOJI}|{_VISIBLE}(?:{_BESIDE}*+{_STACKED}){{0,{MARKS}}}+{_BESIDE}*+"
_PIECE = regex.compile(rf"(?P<plain>{_PLAIN})|.", regex.VERSION1 | regex.DOTALL)
_RUN = regex.compile(rf"(?P<plain>(?:{_PLAIN})++)|.", regex.VERSION1 | regex.DOTALL)


def pieces(text: str) -> Iterator[tuple[str, bool]]:
    """`text` cut into what belongs together on the screen, each with whether it may be written as it is."""
    for match in _PIECE.finditer(text):
        yield match[0], match["plain"] is not None


def safe(text: str, lines: bool = True) -> str:
    """`text` with everything replaced that is not plainly visible. Newlines stay if `lines`, tabs become spaces."""
    if text.isascii() and text.isprintable():
        return text
    return _RUN.sub(lambda run: shown(run[0], run["plain"] is not None, lines), text)


def shown(piece: str, plain: bool, lines: bool = False) -> str:
    """One of the `pieces`, as it may be written."""
    if plain:
        return piece
    if piece == "\n":
        return piece if lines else "⏎"
    return "    " if piece == "\t" else f"‹U+{ord(piece):04X}›"


def one_line(text: str, limit: int = 200) -> str:
    """`text` on one line, blanks and blank lines drawn together; cut with the number of characters that are missing.

    Args:
        limit: characters that are shown, not counting the note about the missing ones; where the note would take as
            much room as they do, they are shown instead.
    """
    flat = flatten(text)
    line, rest, cut = "", len(flat), ""
    for piece, plain in pieces(flat):
        mark = shown(piece, plain)
        if not cut and len(line) + len(mark) > limit:
            cut = f"{line} ‹{rest} more›"
        line, rest = line + mark, rest - len(piece)
        if cut and len(line) > len(cut):
            return cut
    return line


def flatten(text: str) -> str:
    """`text` without newlines: runs of spaces and tabs become one space, runs of newlines one ⏎."""
    flat = regex.sub(r"[ \t]*\n[ \t\n]*", " ⏎ ", text.strip(" \t\n"))
    return regex.sub(r"[ \t]+", " ", flat)


def safe_json(value: Any) -> str:
    """`value` as one line of JSON in which every character that may not be written is a JSON escape."""
    text = json.dumps(value, ensure_ascii=False)
    return _RUN.sub(lambda run: run[0] if run["plain"] is not None else _escape(run[0]), text)


def _escape(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[i : i + 4]}" for i in range(0, len(units), 4))
