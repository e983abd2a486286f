"""Dialogues that a language model goes on learning while it learns to judge: generated ones, or those of a file.

A file is JSONL: {"messages": [{"role": "user", "content": "..."}, {"role": "assistant", "content": "..."}]} and so on,
in the form of the OpenAI chat interface. Each is written by the base's own chat template, and the assistant's words are
learnt.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerBase

from so8t.gate.strict_json import StrictJsonError, loads
from so8t.training.data.dialogues import Dialogue, pieces
from so8t.training.data.files import DataError
from so8t.training.mini import phrasing
from so8t.training.mini.dialogues import Generator

GENERATED = "generated"
COUNT = 8_000  # generated dialogues
Messages = Sequence[Mapping[str, Any]]


class SftBroken(DataError):
    """The file of dialogues cannot be read. The message names the line."""


def dialogues(source: str, tokenizer: PreTrainedTokenizerBase, relative_to: Path, seed: int) -> list[Dialogue]:
    """All dialogues of "generated" or of a file. Raises SftBroken, dialogues.TemplateUnusable."""
    if not source:
        return []
    found = generated(seed) if source == GENERATED else read(relative_to / source)
    return [Dialogue.of(pieces(messages, tokenizer), tokenizer) for messages in found]


def generated(seed: int) -> Iterator[Messages]:
    """Those that so8t-mini learned from: the built-in tools in use."""
    for dialogue in islice(Generator(phrasing.read_folder(), seed), COUNT):
        yield [message.as_openai() for message in dialogue]


def read(file: Path) -> Iterator[Messages]:
    """The dialogues of a file. Raises SftBroken."""
    try:
        with file.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    yield _messages(line, f"{file}, line {number}")
    except OSError as error:
        raise SftBroken(f"{file} cannot be read: {error.strerror}") from None


def _messages(line: bytes, where: str) -> Messages:
    try:
        row = loads(line.decode("utf-8"))
    except UnicodeDecodeError:
        raise SftBroken(f"{where}: not UTF-8") from None
    except StrictJsonError as error:
        raise SftBroken(f"{where}: {error}") from None
    messages = row.get("messages") if isinstance(row, dict) else None
    if not isinstance(messages, list) or not all(_whole(message) for message in messages):
        raise SftBroken(f'{where}: no object with "messages", each of them with "role" and "content"')
    if not any(message["role"] == "assistant" for message in messages):
        raise SftBroken(f"{where}: nobody answers: there is no message of the assistant to learn")
    return messages


def _whole(message: object) -> bool:
    return (
        isinstance(message, dict) and isinstance(message.get("role"), str) and isinstance(message.get("content"), str)
    )
