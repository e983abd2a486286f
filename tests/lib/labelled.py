"""Labelled cases for the tests of training: lines, files, examples, and a vocabulary in which a letter is a token."""

from __future__ import annotations

import json
import string
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from so8t.gate.cases import parse
from so8t.training.data.example import Example
from so8t.training.data.tokens import WordPieceTokens

LABELS = ("ALLOW", "ESCALATE", "REFUSE", "UNSAFE")


def line(id: str | None, label: str | None = "ALLOW", said: str = "list my files", **more: Any) -> dict[str, Any]:
    """A case in the form of gate/cases.py; without `call` among `more` a turn."""
    named = {} if id is None else {"id": id}
    return {**named, "messages": [{"role": "user", "content": said}], "label": label, "call": None, **more}


def write(file: Path, lines: Iterable[dict[str, Any] | str]) -> Path:
    """One line of JSON each; text as it is."""
    texts = [text if isinstance(text, str) else json.dumps(text, ensure_ascii=False) for text in lines]
    file.write_text("\n".join(texts) + "\n", encoding="utf-8")
    return file


def enough(n: int = 30) -> list[dict[str, Any]]:
    """As many cases as one can train on, all different, labels in turn."""
    return [line(f"c{i}", LABELS[i % 3], f"please do job {i} for {LABELS[i % 3].lower()[::-1]}") for i in range(n)]


def example(
    id: str,
    label: str = "ALLOW",
    said: str = "list my files",
    *,
    source: str = "s",
    windows: tuple[str, ...] = (),
    **more: Any,
) -> Example:
    """An example whose text is what the user said, unless `windows` say otherwise."""
    case = parse(json.dumps(line(id, label, said, **more)).encode(), id, {})
    text = windows or (f"¶ user turn\n¶ user: {said}",)
    return Example(case, text, LABELS.index(label), case.pair or id, source, True)


def letters(folder: Path) -> WordPieceTokens:
    """A tokenizer whose tokens are single characters."""
    marks = [*string.ascii_lowercase, *string.digits]
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *marks, *(f"##{c}" for c in marks), *string.punctuation, "¶"]
    (folder / "vocab.txt").write_text("\n".join(pieces) + "\n", encoding="utf-8")
    return WordPieceTokens(folder / "vocab.txt")
