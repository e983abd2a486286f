"""The gate of today asked again about what an earlier one decided: which decisions would be others now."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field, replace

from so8t.agent.stored import Stored
from so8t.gate.contract import Decision, Proposal, Verdict
from so8t.gate.gate import Gate

# How grave a change is, the gravest first: from what was refused towards what runs.
ORDER = (
    (Decision.REFUSE, Decision.ALLOW),
    (Decision.ESCALATE, Decision.ALLOW),
    (Decision.REFUSE, Decision.ESCALATE),
    (Decision.ALLOW, Decision.REFUSE),
    (Decision.ESCALATE, Decision.REFUSE),
    (Decision.ALLOW, Decision.ESCALATE),
)


@dataclass(frozen=True, slots=True)
class Replayed:
    """One decision, then and now."""

    then: Stored
    now: Verdict

    @property
    def change(self) -> tuple[Decision, Decision]:
        """Then, now."""
        return self.then.decision, self.now.decision

    @property
    def flipped(self) -> bool:
        """Whether they differ."""
        return self.then.decision is not self.now.decision


async def replay(gate: Gate, past: Iterable[Stored]) -> AsyncIterator[Replayed]:
    """Each decision judged again, a call under what its turn is judged as now: a refused turn refuses its calls."""
    turns: dict[str, Verdict] = {}  # of each session, the last
    for one in past:
        session, proposal = one.record.session, one.proposal
        if proposal.call is None:
            turns[session] = verdict = await gate.decide(proposal)
        else:
            if one.under_a_turn and session not in turns:  # it was judged before the decisions that are looked at
                turns[session] = await gate.decide(_turn_of(proposal))
            turn = turns[session] if one.under_a_turn else None
            refused = turn is not None and turn.decision is Decision.REFUSE
            verdict = turn if turn and refused else await gate.decide(replace(proposal, turn=turn))
        yield Replayed(one, verdict)


def _turn_of(proposal: Proposal) -> Proposal:
    last = max((n for n, message in enumerate(proposal.messages) if message.role == "user"), default=-1)
    return Proposal(proposal.messages[: last + 1])


@dataclass(slots=True)
class Flips:
    """How many decisions became what, and those that changed."""

    counts: Counter[tuple[Decision, Decision]] = field(default_factory=Counter)  # then, now
    changed: list[Replayed] = field(default_factory=list)

    def add(self, one: Replayed) -> None:
        """One more decision; only one that flipped is kept."""
        self.counts[one.change] += 1
        if one.flipped:
            self.changed.append(one)

    @property
    def gravest_first(self) -> list[Replayed]:
        """REFUSE -> ALLOW before all others; alike ones in the order of the trail."""
        return sorted(self.changed, key=lambda one: ORDER.index(one.change))
