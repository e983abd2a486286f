"""Everything that this package raises.

TrailError
├── TrailUnavailable    the database cannot be used now: locked, full, read-only, missing, no database, no server
├── TrailDamaged        what is stored is not what was written
├── NewerSchema         a newer so8t made this database
├── DecisionRefused     a verdict that is not about its proposal, or a second one for the same call
├── IntentRefused       nothing stored allows this call to start (again)
├── OutcomeRefused      an outcome without an open intent
├── SessionBusy         another program runs this session
└── BadFilter           a reading filter or an argument that means nothing; lists the valid names
ReviewError
├── UnknownItem         no item of this id; lists those that wait
├── SubmitRefused       nothing stored says that this call must wait for a person
├── NotPending          the item was decided before; says by whom and what
├── HeldByAnother       another reviewer's claim on the item has not run out
├── ClaimLost           the claim is over: given back, or taken over by somebody with a newer token
├── EditRefused         the edited call cannot take the place of the proposed one
├── NotReopened         the item is not one that can wait again
├── NotApproved         no person approved the item
├── Expired             the time to decide or to run is over
├── DigestMismatch      the call is not the one that was shown
├── AlreadyConsumed     the approval was used before
├── Forged              the item (or the grant) does not agree with the trail
├── GrantRefused        a grant that cannot be made: it states too little, or holds a secret
├── UnknownGrant        no grant of this id; lists those that hold
├── GrantOver           the grant is used up, expired or revoked
└── SecretNotStored     the call held a secret that was masked, so the database cannot give it back
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class TrailError(Exception):
    """The root of the trail's errors."""


class TrailUnavailable(TrailError):
    """The database cannot be used now; the message says what to do."""


class TrailDamaged(TrailError):
    """What is stored is not what was written."""


class NewerSchema(TrailError):
    """A newer so8t made this database."""


class DecisionRefused(TrailError):
    """A verdict that is not about its proposal, or a second verdict for the same call."""


class IntentRefused(TrailError):
    """Nothing stored allows this call to start, or it started before."""


class OutcomeRefused(TrailError):
    """There is no open intent that this outcome could close."""


class SessionBusy(TrailError):
    """Another program runs this session."""


class BadFilter(TrailError):
    """A filter or an argument that means nothing."""


class ReviewError(Exception):
    """The root of the review queue's errors."""


class UnknownItem(ReviewError):
    """No item has this id."""


class SubmitRefused(ReviewError):
    """Nothing stored says that this call must wait for a person."""


class NotPending(ReviewError):
    """The item was decided before."""


class HeldByAnother(ReviewError):
    """Another reviewer's claim on the item has not run out."""


class ClaimLost(ReviewError):
    """The claim that a token names is over."""


class EditRefused(ReviewError):
    """The edited call cannot take the place of the proposed one."""


class NotReopened(ReviewError):
    """The item is not one that can wait again."""


class NotApproved(ReviewError):
    """No person approved the item."""


class Expired(ReviewError):
    """The time to decide, or to run what was approved, is over."""


class DigestMismatch(ReviewError):
    """The call is not the one that was shown to the reviewer."""


class AlreadyConsumed(ReviewError):
    """The approval was used before: it is good for one run."""


class Forged(ReviewError):
    """The item in the queue, or the grant, does not agree with the audit trail."""


class GrantRefused(ReviewError):
    """The grant cannot be made as it is stated."""


class UnknownGrant(ReviewError):
    """No grant has this id."""


class GrantOver(ReviewError):
    """The grant is used up, expired or revoked."""


class SecretNotStored(ReviewError):
    """The call held a secret that was masked before it was stored."""


def nearest(name: str, valid: Iterable[str]) -> str:
    """The valid names as text, the nearest to `name` first."""
    names = sorted(valid)
    close = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    return ", ".join([*close, *(n for n in names if n not in close)])
