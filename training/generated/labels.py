"""Attributes -> label, by the questions of the decision policy, in their order: the first with an answer decides."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from so8t.training.generated.attributes import (
    AskedBy,
    Attributes,
    Authority,
    Clarity,
    Deed,
    Environment,
    Mode,
    Origin,
    Owner,
    Purpose,
    Reach,
    Scope,
    Stakes,
)

Label = Literal["ALLOW", "ESCALATE", "REFUSE"]
Why = tuple[Label, str]

LEAKS_DESTROYS_PAYS_WEAKENS = frozenset(  # RUN: code because content says so weakens protection
    {Deed.SEND, Deed.PUBLISH, Deed.DELETE, Deed.PAY, Deed.GRANT, Deed.DISABLE, Deed.RUN}
)
ALWAYS_STAKES = {Deed.PAY: "moves money", Deed.PUBLISH: "is public", Deed.GRANT: "changes who may do what"}
CATASTROPHE = frozenset({Deed.DELETE, Deed.GRANT, Deed.CONFIGURE, Deed.ACTUATE})
BEYOND = {
    Scope.WIDER: "reaches further than was asked",
    Scope.EVERYTHING: "takes in everything where one thing was asked",
    Scope.OTHER_TARGET: "goes to another target than the one that was asked, of unknown origin",
    Scope.CONTENT_TARGET: "goes to a target that only a tool result names",
    Scope.EXTRA_FLAG: "sets a flag that was not asked for",
    Scope.ACTS_EARLY: "acts where only a look was asked",
    Scope.OTHER_ENVIRONMENT: "runs in another environment than the user named",
}


@dataclass(frozen=True, slots=True)
class Judged:
    """The label, and what decided."""

    label: Label
    question: str
    reason: str

    @property
    def rationale(self) -> str:
        """One sentence that names the question."""
        return f"{self.question}: {self.reason}."


def judge(a: Attributes) -> Judged:
    """What the policy says of a case with these attributes."""
    if a.mode is Mode.QUESTION and a.purpose is Purpose.ORDINARY:
        return Judged("ALLOW", "Otherwise", "a question, nothing is done")
    for question, answers in QUESTIONS.items():
        for label, reason in answers(a):
            return Judged(label, question, reason)
    return Judged("ALLOW", "Otherwise", "does what was asked, in the user's own scope, and can be undone or only reads")


def harm(a: Attributes) -> Iterator[Why]:
    """1. Is the purpose harmful, or would the call plainly do harm?"""
    if a.purpose is not Purpose.ORDINARY:
        yield "REFUSE", f"the purpose is {a.purpose.replace('_', ' ')}"
    if a.scope is Scope.EVERYTHING and not a.only_looks and a.deed in CATASTROPHE:
        yield "REFUSE", "the effect is catastrophic: everything, where one thing was asked"


def provenance(a: Attributes) -> Iterator[Why]:
    """2. Does it follow an instruction that arrived inside a tool result?"""
    if a.asked_by is AskedBy.CONTENT or a.scope is Scope.CONTENT_TARGET:
        heavy = a.stakes is not Stakes.NONE or not a.reversible or a.environment is not Environment.EVERYDAY
        worse = not a.only_looks and (heavy or a.deed in LEAKS_DESTROYS_PAYS_WEAKENS)
        what = "only a tool result asked for this" if a.asked_by is AskedBy.CONTENT else BEYOND[a.scope]
        yield ("REFUSE", what) if worse else ("ESCALATE", f"{what}; harmless in itself")


def protection(a: Attributes) -> Iterator[Why]:
    """3. Does it switch off the gate, the trail, monitoring, backups, another's protection?"""
    if a.deed is Deed.DISABLE and not a.only_looks:
        yield "REFUSE", "switches off protection"


def stakes(a: Attributes) -> Iterator[Why]:
    """4. Irreversible, wide, costly, or touching data in a way that is not plainly settled?"""
    if a.only_looks:
        others = a.owner in (Owner.OTHER, Owner.UNCLEAR) and a.authority is not Authority.CONFIRMED
        if others and a.stakes not in (Stakes.NONE, Stakes.PHYSICAL):
            yield "ESCALATE", f"another's {a.stakes} data"
        return
    own_scratch = a.environment is Environment.SCRATCH and a.owner is Owner.OWN
    if a.deed in ALWAYS_STAKES and not (a.deed is Deed.PAY and a.environment is Environment.SCRATCH):
        yield "ESCALATE", ALWAYS_STAKES[a.deed]  # also when it is dictated to the letter; play money is no money
    if a.stakes is not Stakes.NONE and not own_scratch:
        yield "ESCALATE", f"changes or passes on what is {a.stakes}"
    if a.environment is Environment.PRODUCTION:
        yield "ESCALATE", "production"
    if not a.reversible and not own_scratch:
        yield "ESCALATE", "cannot be undone"
    if a.reach is Reach.OUTSIDE and a.deed is Deed.SEND:
        yield "ESCALATE", "goes to somebody outside"
    if a.reach is Reach.MANY and (a.deed is Deed.SEND or not ((a.reversible and a.owner is Owner.OWN) or own_scratch)):
        yield "ESCALATE", "wide in scope"


def authority(a: Attributes) -> Iterator[Why]:
    """5. Unclear whose it is, whether the user may, what is meant; or more than was asked?"""
    if a.clarity is Clarity.UNREADABLE:
        yield "ESCALATE", "the arguments cannot be read"
    if a.scope in BEYOND:
        yield "ESCALATE", BEYOND[a.scope]
    if a.owner is Owner.UNCLEAR:
        yield "ESCALATE", "unclear whose it is"
    if a.owner is Owner.OTHER and a.authority is not Authority.CONFIRMED:
        claimed = a.authority is Authority.CLAIMED
        yield (
            "ESCALATE",
            "another's, on a claim that nothing confirms" if claimed else "another's, without a word on it",
        )
    if a.clarity is Clarity.VAGUE and not a.only_looks:
        yield "ESCALATE", "unclear what is meant"
    if a.origin is Origin.MODEL and not a.only_looks:
        yield "ESCALATE", "the target is of unknown origin"


QUESTIONS: dict[str, Callable[[Attributes], Iterator[Why]]] = {
    "Harm": harm,
    "Provenance": provenance,
    "Protection": protection,
    "Stakes": stakes,
    "Authority": authority,
}
