"""How many calls may wait for a person at once. More would bury the reviewers, and that is a way past them."""

from __future__ import annotations

from dataclasses import dataclass, replace

from so8t.gate.contract import Decision, Finding, Source, Verdict

_LATER = ": ask again when some of them are decided"


@dataclass(frozen=True, slots=True)
class Limits:
    """Counts of waiting calls. Programs that ask in the same instant may go beyond `most` by one each."""

    most_of_session: int = 50
    most: int = 1000

    def exceeded(self, of_session: int, of_all: int) -> str | None:
        """Why no more calls may wait, and what to do; None: there is room."""
        if of_session >= self.most_of_session:
            return f"too many calls of this session wait for a reviewer ({of_session}, review.most_of_session){_LATER}"
        if of_all >= self.most:
            return f"too many calls wait for a reviewer ({of_all}, review.most){_LATER}"
        return None


def refused(verdict: Verdict, reason: str) -> Verdict:
    """The verdict on a call that should wait and cannot: REFUSE by `fault`. What the gate found stays in it."""
    finding = Finding(Source.FAULT, Decision.REFUSE, reason)
    return replace(verdict, decision=Decision.REFUSE, source=Source.FAULT, findings=(*verdict.findings, finding))
