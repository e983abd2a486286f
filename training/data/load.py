"""Examples from case files. One case at a time: `read` streams, `load` keeps all and checks that a head can learn.

What is read: JSONL files (and folders of them) in the form of gate/cases.py, and the public files that sources.toml
names.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from so8t.gate.cases import Case, parse
from so8t.training.data import contents as texts
from so8t.training.data import files
from so8t.training.data.example import LABELS, Example, GateDecides, bare, digest, turn_of
from so8t.training.data.files import DataError
from so8t.training.data.tokens import Tokens
from so8t.training.generated.generate import lines

GENERATED = "generated"  # the source of such cases
LEAST = 30  # cases: with fewer, nothing that is measured means anything


@dataclass(frozen=True, slots=True)
class Copies:
    """What own calls are also learned as. Copies share their case's group, and nothing is measured on them."""

    bare: float = 0.3  # share of the calls that are also learned without the tool's effects and description
    turns: float = 0.5  # share of the ALLOW calls whose user's turn is also learned on its own, as ALLOW


NO_COPIES = Copies(0.0, 0.0)


class NoCases(DataError):
    """There is no labelled case at all."""


class TooFewCases(DataError):
    """There are fewer cases than can be learned from."""


class LabelMissing(DataError):
    """One of the three labels has no case."""


class DuplicateId(DataError):
    """Two different cases have one id."""


@dataclass(slots=True)
class Counts:
    """What was read beside the cases that are learned from."""

    bad_lines: int = 0
    unlabelled: int = 0
    repeated: int = 0  # the same case, word for word, under the same id
    unread: int = 0  # too long, or too many values: the gate escalates them before the head is asked
    copies: int = 0  # see Copies, and what is generated: examples, but no cases of their own

    def __str__(self) -> str:
        return f"{self.unlabelled} without a label, {self.bad_lines} broken, {self.unread} too long to read"


@dataclass(frozen=True, slots=True)
class Loaded:
    """Everything that was read."""

    examples: tuple[Example, ...]
    counts: Counts

    @property
    def digest(self) -> str:
        """SHA-256 (hex) over everything that is learned from, in order."""
        return digest(self.examples)


def load(
    paths: Sequence[Path],
    tokens: Tokens,
    *,
    public: Path | None = None,
    contents: Sequence[Path] = (),
    generated: int = 0,
    seed: int = 8,
    least: int = LEAST,
    copies: Copies = Copies(),
    skip_bad_lines: bool = False,
) -> Loaded:
    """All examples.

    Args:
        paths: JSONL files, and folders whose *.jsonl files are all read.
        tokens: of the base model; they say where a long text is split into windows.
        public: folder with the files that sources.toml names.
        contents: files and folders of tool results (see contents.py).
        generated: how many cases drawn from attributes are learned from, too (see training/generated).
        seed: which public cases are sampled, which cases get copies, and which ones are generated.
        least: cases that there must be.
        copies: how many calls are learned in other forms, too.
        skip_bad_lines: count lines that are no case and go on.

    Raises:
        FileMissing, CasesBroken, DuplicateId, NoCases, TooFewCases, LabelMissing.
    """
    counts = Counts()
    own = read(files.found(paths), tokens, counts, seed=seed, copies=copies, skip_bad_lines=skip_bad_lines)
    examples = [*own, *(read_public(public, tokens, counts, seed=seed) if public else ())]
    if contents:
        examples += texts.examples(contents, tokens)
        counts.copies += sum(e.source == "contents" for e in examples)
    for example in read_generated(generated, tokens, counts, seed=seed):
        examples.append(example)
        counts.copies += 1
    _check(examples, least, counts)
    return Loaded(tuple(examples), counts)


def read(
    paths: Iterable[Path],
    tokens: Tokens,
    counts: Counts,
    *,
    seed: int = 8,
    copies: Copies = Copies(),
    skip_bad_lines: bool = False,
) -> Iterator[Example]:
    """The examples of these files as they come, each perhaps followed by its copies; see `load`.

    Raises:
        FileMissing, CasesBroken, DuplicateId.
    """
    seen = _Ids()
    for path in paths:
        for case, line in files.read(path, counts, skip_bad_lines=skip_bad_lines):
            if seen.again(case, f"{path} line {line}"):
                counts.repeated += 1
                continue
            for example in _example(case, path.stem, tokens, counts, own=True):
                yield example
                for copy in _copies(case, seed, copies):
                    for other in _example(copy, path.stem, tokens, counts, own=False):
                        counts.copies += 1
                        yield other


def read_public(folder: Path, tokens: Tokens, counts: Counts, *, seed: int) -> Iterator[Example]:
    """The sample of public cases that sources.toml asks for; lines that are no case are counted. Raises FileMissing."""
    for case, name in files.public(folder, counts, seed):
        yield from _example(case, name, tokens, counts, own=False)


def read_generated(count: int, tokens: Tokens, counts: Counts, *, seed: int) -> Iterator[Example]:
    """Cases drawn from attributes."""
    for line in lines(count, seed):
        yield from _example(parse(line, "generated", {}), GENERATED, tokens, counts, own=False)


def _copies(case: Case, seed: int, copies: Copies) -> Iterator[Case]:
    if case.proposal.call is None:
        return
    if files.chance(seed, case.id) < copies.bare:
        yield bare(case)
    if case.label in ("ALLOW", "SAFE") and files.chance(seed, f"turn {case.id}") < copies.turns:
        yield turn_of(case)


@dataclass(slots=True)
class _Ids:
    """Every id so far, with a hash of its case: a long case costs no more than a short one."""

    contents: dict[str, tuple[bytes, str]] = field(default_factory=dict)

    def again(self, case: Case, where: str) -> bool:
        """Whether this very case was there before. Raises DuplicateId."""
        content = files.content(case)
        first, there = self.contents.setdefault(case.id, (content, where))
        if first != content:
            raise DuplicateId(f"{where}: the id {case.id!r} is also that of another case, in {there}: give it its own")
        return there != where


def _example(case: Case, origin: str, tokens: Tokens, counts: Counts, *, own: bool) -> Iterator[Example]:
    if case.label is None:
        counts.unlabelled += 1
        return
    try:
        yield Example.of(case, tokens, case.source or origin, own=own)
    except GateDecides:
        counts.unread += 1


def _check(examples: Sequence[Example], least: int, counts: Counts) -> None:
    cases = len(examples) - counts.copies
    if not examples:
        raise NoCases(f"there is no labelled case ({counts}): name files in the form of gate/cases.py")
    if cases < least:
        raise TooFewCases(
            f"{cases} cases to train on, at least {least} are needed ({counts}): add cases, or public ones"
        )
    there = {e.target for e in examples}
    missing = [label for target, label in enumerate(LABELS) if target not in there]
    if missing:
        raise LabelMissing(
            f"no case is labelled {' or '.join(missing)}: the head would never say it."
            " Add such cases (a tenth of all, or more), or public ones"
        )
