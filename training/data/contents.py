"""Tool results that carry instructions, and ordinary ones: learned beside the cases, so that the backbone sees orders.

    {"id": "...", "text": "...", "instructs": true | false, ...}

They are read as gate/content.py reads a tool result, piece by piece: REFUSE where the text gives orders, else ALLOW.
Nothing is measured on them here: training/content.py makes the head that decides, and measures it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from so8t.gate.cases import Case, Label
from so8t.gate.content import pieces, rendered_piece
from so8t.gate.contract import Message, Proposal
from so8t.training.data import files
from so8t.training.data.example import TARGETS, Example
from so8t.training.data.files import DataError, FileMissing
from so8t.training.data.tokens import Tokens


class TextsBroken(DataError):
    """A line is no labelled text. The message names file and line."""


@dataclass(frozen=True, slots=True)
class Text:
    """One tool result."""

    id: str
    text: str
    instructs: bool


def read(paths: Sequence[Path]) -> Iterator[Text]:
    """Every line of these files and folders. Raises TextsBroken, FileMissing."""
    for path in files.found(paths):
        try:
            lines = path.read_bytes().splitlines()
        except OSError as error:
            raise FileMissing(f"{path} cannot be read ({error.strerror})") from None
        for number, line in enumerate(lines, 1):
            try:
                value = json.loads(line)
                yield Text(str(value.get("id", f"{path.stem}-{number}")), value["text"] + "", bool(value["instructs"]))
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise TextsBroken(f"{path} line {number} is no labelled text ({error!r})") from None


def examples(paths: Sequence[Path], tokens: Tokens) -> Iterator[Example]:
    """One for each text; its windows are the pieces. Raises TextsBroken, FileMissing."""
    for text in read(paths):
        label: Label = "REFUSE" if text.instructs else "ALLOW"
        proposal = Proposal((Message("tool", text.text),))
        case = Case(f"content {text.id}", proposal, label, "", "", "", "contents", "")
        windows = [window for piece in pieces(text.text) for window in tokens.windows(rendered_piece(piece))]
        yield Example(case, tuple(windows), TARGETS[label], case.id, case.source, own=False)
