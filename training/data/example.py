"""One labelled case as the head sees it, rendered, marked and windowed by the gate's own code: nothing can drift."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace

from so8t.gate import provenance
from so8t.gate.backbones import Rendered
from so8t.gate.cases import Case
from so8t.gate.contract import Proposal, ToolSpec
from so8t.gate.leaves import TooManyValues
from so8t.gate.render import render
from so8t.gate.sources import Sources
from so8t.gate.windows import TooLong
from so8t.training.data.tokens import Tokens

LABELS = ("ALLOW", "ESCALATE", "REFUSE")  # by target
UNSAFE = 3  # ESCALATE or REFUSE, nobody says which
TARGETS = {"ALLOW": 0, "SAFE": 0, "ESCALATE": 1, "REFUSE": 2, "UNSAFE": UNSAFE}


class GateDecides(Exception):
    """The gate decides this case before the head is asked: it is too long, or has too many values."""


@dataclass(frozen=True, slots=True)
class Example:
    """One case as the head sees it."""

    case: Case
    windows: tuple[str, ...]
    target: int  # a value of TARGETS
    group: str  # examples of one group are never split between training and validation
    source: str  # where the case comes from: what leave-one-source-out leaves out
    own: bool  # written for this project (not a public case, not a copy)

    @classmethod
    def of(cls, case: Case, tokens: Tokens, source: str, *, own: bool) -> Example:
        """Render a labelled case. Raises GateDecides."""
        assert case.label is not None
        try:
            windows = tokens.windows(rendered(case))
        except (TooLong, TooManyValues) as error:
            raise GateDecides(str(error)) from None
        return cls(case, tuple(windows), TARGETS[case.label], case.pair or case.id, source, own)


def rendered(case: Case) -> Rendered:
    """The case as the gate renders it. Raises leaves.TooManyValues."""
    return render(case.proposal, provenance.marks(case.proposal, Sources.of(case.proposal.messages)))


def bare(case: Case) -> Case:
    """The case without what its tool declares. Public cases have no effects and are mostly ALLOW: no shortcut there."""
    assert case.proposal.call is not None
    tool = ToolSpec(case.proposal.call.name, "", None)
    return replace(case, id=f"{case.id}-bare", pair=case.pair or case.id, proposal=replace(case.proposal, tool=tool))


def turn_of(case: Case) -> Case:
    """The user's turn that the call of an ALLOW case serves, on its own: the gate judges it before the call."""
    messages = case.proposal.messages
    last = max(number for number, message in enumerate(messages) if message.role == "user")
    return replace(case, id=f"{case.id}-turn", pair=case.pair or case.id, proposal=Proposal(messages[: last + 1]))


def digest(examples: Iterable[Example]) -> str:
    """SHA-256 (hex) over id, target and text of each example, in order."""
    found = hashlib.sha256()
    for e in examples:
        found.update(f"{e.case.id}\t{e.target}\t{' '.join(e.windows)}\n".encode())
    return found.hexdigest()
