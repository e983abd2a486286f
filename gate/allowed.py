"""The ticket to run a call: made from an ALLOW verdict, a consumed approval or a used grant, good for one run.

The executor takes nothing else. Building the ticket by hand is a type error and a run-time error.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Final, NoReturn

from so8t.gate.contract import Call, Decision, Source, Verdict


class AllowedError(Exception):
    """The root of this module's errors."""


class NotAllowed(AllowedError):
    """Nothing allows this call: the verdict is not ALLOW, or it speaks of another call."""


class AlreadySpent(AllowedError):
    """The ticket was used before: every run needs a decision of its own."""


@dataclass(frozen=True, slots=True)
class Approval:
    """A reviewer's consumed approval. Only the review queue makes one, in the transaction that consumes it."""

    item: str  # id of the review item
    digest: str  # of the exact call that was approved
    reviewer: str


@dataclass(frozen=True, slots=True)
class GrantUse:
    """One counted use of a person's grant. Only the grants make one, in the transaction that counts it."""

    grant: str  # its id
    digest: str  # of the exact call that it lets pass
    by: str  # who made the grant
    number: int  # 1, 2, 3 ...
    times: int | None  # how many uses there are; None: any number


_MINT: Final = object()


class Allowed:
    """Permission to run one call, once."""

    __slots__ = ("_lock", "_spent", "call", "source")

    def __init__(self, call: Call, source: Source, mint: object = None) -> None:
        if mint is not _MINT:
            raise NotAllowed("an Allowed is made by by_verdict(), by_approval() or by_grant(), never by hand")
        self.call = call
        self.source = source
        self._spent = False
        self._lock = threading.Lock()

    @classmethod
    def by_verdict(cls, call: Call, verdict: Verdict) -> Allowed:
        """Raises NotAllowed unless `verdict` is the gate's own ALLOW for exactly this call."""
        if verdict.decision is not Decision.ALLOW:
            raise NotAllowed(f"the verdict on {call.name} is {verdict.decision.name}")
        if verdict.digest != call.digest:
            raise NotAllowed(f"the verdict is not about this call of {call.name}")
        if verdict.source is Source.HUMAN:
            raise NotAllowed(f"the gate did not allow {call.name}: what a grant lets pass takes the used grant")
        return cls(call, verdict.source, _MINT)

    @classmethod
    def by_approval(cls, call: Call, approval: Approval) -> Allowed:
        """Raises NotAllowed unless `approval` names exactly this call."""
        if approval.digest != call.digest:
            raise NotAllowed(f"the approval {approval.item} is not about this call of {call.name}")
        return cls(call, Source.HUMAN, _MINT)

    @classmethod
    def by_grant(cls, call: Call, use: GrantUse) -> Allowed:
        """Raises NotAllowed unless `use` names exactly this call."""
        if use.digest != call.digest:
            raise NotAllowed(f"the grant {use.grant} was not used for this call of {call.name}")
        return cls(call, Source.HUMAN, _MINT)

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        """Refuses copies and pickles: a copy could be spent again."""
        raise TypeError("an Allowed cannot be copied")

    def spend(self) -> Call:
        """The call, the first time. Raises AlreadySpent after that."""
        with self._lock:
            if self._spent:
                raise AlreadySpent(f"this decision on {self.call.name} was used already")
            self._spent = True
        return self.call
