"""Case files, line by line: which there are, what is wrong in them, which public ones are sampled."""

from __future__ import annotations

import hashlib
import heapq
import json
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, Protocol

from so8t.gate import cases
from so8t.gate.cases import BadCase, Case
from so8t.training.data.example import turn_of

SOURCES = Path(__file__).parent.parent / "sources.toml"
SHOWN = 20  # bad lines of a file that one error names


class DataError(Exception):
    """The root of the errors of training/data."""


class FileMissing(DataError):
    """A file or folder is not there, or cannot be read."""


class CasesBroken(DataError):
    """A case file has bad lines. The message names the file and the lines."""


class Counter(Protocol):
    """Where bad lines are counted."""

    bad_lines: int


@dataclass(slots=True)
class _Lines:
    """The lines of a file, and the number of the last one that was taken."""

    file: BinaryIO
    number: int = 0

    def __iter__(self) -> Iterator[bytes]:
        for line in self.file:
            self.number += 1
            yield line


def found(paths: Sequence[Path]) -> list[Path]:
    """The files themselves, and all *.jsonl files below the folders, each once. Raises FileMissing."""
    files: dict[Path, Path] = {}
    for path in paths:
        inside = sorted(path.rglob("*.jsonl")) if path.is_dir() else [path]
        if not inside:
            raise FileMissing(f"{path} holds no .jsonl file: name a folder or a file with labelled cases")
        for file in inside:
            files.setdefault(file.resolve(), file)
    return list(files.values())


def read(path: Path, counts: Counter, *, skip_bad_lines: bool = False) -> Iterator[tuple[Case, int]]:
    """The cases of a file and their line numbers. A case without an id of its own gets one from its content.

    Raises:
        FileMissing: the file cannot be read.
        CasesBroken: after the last line, naming up to SHOWN bad ones (without skip_bad_lines).
    """
    shown: list[str] = []
    before = counts.bad_lines
    for case, number in _parsed(path):
        if isinstance(case, Case):
            yield _named(case, path, number), number
        else:
            counts.bad_lines += 1
            shown += [str(case)] if len(shown) < SHOWN else []
    if shown and not skip_bad_lines:
        raise CasesBroken(_message(path, shown, counts.bad_lines - before))


def public(folder: Path, counts: Counter, seed: int) -> Iterator[tuple[Case, str]]:
    """At most `most` cases, by the seed, of each source of sources.toml, with its name. Raises FileMissing."""
    for source in tomllib.loads(SOURCES.read_text(encoding="utf-8"))["source"]:
        path = folder / source["file"]
        if not path.is_file():
            raise FileMissing(
                f"{path} is not there: {SOURCES.name} names where it comes from, or leave out data.public"
            )
        good = (case for case, _ in read(path, counts, skip_bad_lines=True))  # some public lines are no calls
        for case in heapq.nsmallest(source["most"], good, key=lambda c: (chance(seed, c.id), c.id)):
            yield case, source["name"]
            if source.get("turns") and case.label == "ALLOW":
                yield turn_of(case), source["name"]


def content(case: Case) -> bytes:
    """SHA-256 of what a case says: all of it but its id."""
    p = case.proposal
    messages = [[m.role, m.content, m.tool, [[c.name, c.arguments_json] for c in m.calls]] for m in p.messages]
    tool = p.tool and [p.tool.name, p.tool.description, None if p.tool.effects is None else sorted(p.tool.effects)]
    call = p.call and [p.call.name, p.call.arguments_json]
    rest = [case.label, case.category, case.difficulty, case.lang, case.source, case.pair]
    return hashlib.sha256(json.dumps([messages, tool, call, rest]).encode()).digest()


def chance(seed: int, name: str) -> float:
    """A number in [0, 1) that depends on nothing but seed and name: no order of files changes a sample."""
    return int.from_bytes(hashlib.sha256(f"{seed} {name}".encode("utf-8", "replace")).digest()[:6]) / 2**48


def _parsed(path: Path) -> Iterator[tuple[Case | BadCase, int]]:
    try:
        with path.open("rb") as file:
            lines = _Lines(file)
            for case in cases.read(lines):
                yield case, lines.number
    except OSError as error:
        raise FileMissing(f"{path} cannot be read ({error.strerror}): name a file with labelled cases") from None


def _named(case: Case, path: Path, number: int) -> Case:
    """gate/cases.py names a case without an id by its line number; two files would share those."""
    return case if case.id != str(number) else replace(case, id=f"{path.stem}-{content(case).hex()[:12]}")


def _message(path: Path, shown: list[str], total: int) -> str:
    count = "1 line is" if total == 1 else f"{total} lines are"
    more = f"\n  and {total - SHOWN} more" if total > SHOWN else ""
    return f"{path}: {count} no case: correct them, or skip bad lines\n  " + "\n  ".join(shown) + more
