"""The cases that the first head learns from, rendered exactly as the gate renders them."""

from __future__ import annotations

import hashlib
import random
import tomllib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from so8t.gate import provenance
from so8t.gate.cases import BadCase, Case, read
from so8t.gate.contract import Proposal, ToolSpec
from so8t.gate.render import render
from so8t.gate.sources import Sources
from so8t.gate.windows import TooLong, split

HERE = Path(__file__).parent
SOURCES = HERE / "sources.toml"
TARGETS = {"ALLOW": 0, "SAFE": 0, "ESCALATE": 1, "REFUSE": 2, "UNSAFE": 3}  # 3: one of the last two, nobody says which

BARE = 0.3  # share of the project's own calls that are also learned without the tool's effects and description


class HeadDataError(Exception):
    """The root of this module's errors."""


class CasesBroken(HeadDataError):
    """A case file has a bad line. The message names the file and the line."""


@dataclass(frozen=True, slots=True)
class Example:
    """One case as the head sees it."""

    case: Case
    windows: tuple[str, ...]
    target: int  # an index of TARGETS' values
    group: str  # examples of one group are never split between training and validation
    own: bool  # written for this project


def load(cases: Path, public: Path | None, count: Callable[[str], int], limit: int, seed: int) -> list[Example]:
    """All examples. Raises CasesBroken."""
    dice = random.Random(seed)  # noqa: S311 - a sample, no secret
    found = [(case, True) for file in sorted(cases.glob("*.jsonl")) for case in _file(file)]
    found += [(_bare(case), False) for case, _ in found if case.proposal.call and dice.random() < BARE]
    if public is not None:
        found += [(case, False) for case in _public(public, dice)]
    examples = (_example(case, own, count, limit) for case, own in found)
    return [example for example in examples if example is not None]


def digest(examples: Sequence[Example]) -> str:
    """SHA-256 over everything that was learned from, in order."""
    lines = (f"{e.case.id}\t{e.target}\t{' '.join(e.windows)}\n" for e in examples)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _example(case: Case, own: bool, count: Callable[[str], int], limit: int) -> Example | None:
    if case.label is None:
        return None
    proposal = case.proposal
    rendered = render(proposal, provenance.marks(proposal, Sources.of(proposal.messages)))
    try:
        windows = split(rendered, count, limit)
    except TooLong:
        return None  # the gate escalates it before the head is asked
    return Example(case, tuple(windows), TARGETS[case.label], case.pair or case.id, own)


def _bare(case: Case) -> Case:
    """The case without what its tool declares. Public cases have no effects and are mostly ALLOW: no shortcut there."""
    assert case.proposal.call is not None
    tool = ToolSpec(case.proposal.call.name, "", None)
    return replace(case, id=f"{case.id}-bare", pair=case.pair or case.id, proposal=replace(case.proposal, tool=tool))


def _file(file: Path) -> Iterator[Case]:
    with file.open("rb") as lines:
        for case in read(lines):
            if isinstance(case, BadCase):
                raise CasesBroken(f"{file}: {case}")
            yield case


def _public(folder: Path, dice: random.Random) -> Iterator[Case]:
    for source in tomllib.loads(SOURCES.read_text(encoding="utf-8"))["source"]:
        with (folder / source["file"]).open("rb") as lines:  # some public lines are no calls: they are left out
            cases = [case for case in read(lines) if isinstance(case, Case) and case.lang != "ja"]
        for case in dice.sample(cases, min(source["most"], len(cases))):
            yield case
            if source.get("turns") and case.label == "ALLOW":
                turn = Proposal(case.proposal.messages)
                yield replace(case, id=f"{case.id}-turn", proposal=turn, pair=case.pair or case.id)
