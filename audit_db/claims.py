"""Claims: a reviewer takes an item for a while, so that two do not work on the same one.

A claim is a lease. It runs out unless it is renewed; then anybody may take it over. Each claim has a token that is
larger than those before it (fencing): whoever comes back late with an old token can decide nothing.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Row

from so8t.audit_db.chain import timestamp
from so8t.audit_db.errors import BadFilter, ClaimLost, Expired, HeldByAnother, NotPending
from so8t.audit_db.item import ReviewItem, change, to_item
from so8t.audit_db.lookup import due, one
from so8t.audit_db.mask import Masker
from so8t.audit_db.plain import plain_text
from so8t.audit_db.schema import review_item
from so8t.audit_db.store import Store

LEASE: Final = timedelta(minutes=2)


class Claims:
    """Leases on items. Every method raises UnknownItem, Forged, TrailUnavailable and TrailDamaged."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def decidable(self, id: str, reviewer: str, token: int | None = None) -> ReviewItem:
        """The item, if this reviewer may decide about it now.

        Raises:
            NotPending, HeldByAnother, ClaimLost, BadFilter
        """
        who = named(self._store.masker, reviewer)
        with self._store.read() as conn:
            row = one(conn, id)
            may_decide(row, who, token, self._store.clock())
            return to_item(row)

    def claim(self, id: str, reviewer: str, lease: timedelta = LEASE) -> ReviewItem:
        """Take an item that nobody else holds; the item tells the token. The same reviewer may claim again.

        Raises:
            NotPending: it was decided; says by whom and what.
            Expired: its time is over.
            HeldByAnother: says by whom and until when.
            BadFilter: no reviewer, or a lease that is not positive.
        """
        return self._write(id, reviewer, lease, "claimed", None)

    def renew(self, id: str, reviewer: str, token: int, lease: timedelta = LEASE) -> ReviewItem:
        """The heartbeat: the claim runs on from now. A claim that ran out but that nobody took over is renewed too.

        Raises:
            NotPending, Expired
            ClaimLost: says who holds it now.
        """
        return self._write(id, reviewer, lease, "renewed", token)

    def release(self, id: str, reviewer: str, token: int) -> ReviewItem:
        """Give the claim back before it runs out. Raises NotPending, Expired, ClaimLost."""
        return self._write(id, reviewer, None, "released", token)

    def _write(self, id_: str, reviewer: str, lease: timedelta | None, event: str, token: int | None) -> ReviewItem:
        who = named(self._store.masker, reviewer)
        if lease is not None and lease <= timedelta(0):
            raise BadFilter(f"the claim's time {lease} must be positive")
        with self._store.write() as conn:
            row, now = one(conn, id_), self._store.clock()
            may_decide(row, who, token, now)
            if id_ in due(conn, now, review_item.c.id == id_):
                raise Expired(f"the review {id_} expired at {row.expires}: ask for the call again")
            facts: dict[str, Any] = {"reviewer": who, "token": row.claim_token + 1 if token is None else token}
            if lease is not None:
                facts["until"] = timestamp(now + lease)
            change(conn, self._store.masker, now, row, event, **facts)
            return to_item(one(conn, id_))


def named(masker: Masker, reviewer: str) -> str:
    """The name as it is stored. Raises BadFilter where nobody is named."""
    if not reviewer.strip():
        raise BadFilter("a decision needs the reviewer's name")
    return masker.text(plain_text(reviewer))


def undecided(row: Row[Any]) -> None:
    """Raises NotPending, which says who decided what, and when."""
    if row.state != "pending":
        raise NotPending(f"the review {row.id} is {row.state} already{_by(row)}")


def free(row: Row[Any], reviewer: str, now: datetime) -> None:
    """Raises NotPending, and HeldByAnother where another reviewer's claim has not run out."""
    undecided(row)
    if row.claimed_by not in (None, reviewer) and row.claim_expires > timestamp(now):
        raise HeldByAnother(f"the review {row.id} is {_holder(row)}: wait, or choose another one")


def holds(row: Row[Any], reviewer: str, token: int) -> None:
    """Raises NotPending, and ClaimLost unless `token` is the last claim's and it is this reviewer's."""
    undecided(row)
    if row.claimed_by is None:
        raise ClaimLost(f"the claim {token} of {row.id} is over, and nobody holds it now: claim it again")
    if token != row.claim_token or row.claimed_by != reviewer:
        raise ClaimLost(
            f"the claim {token} of {row.id} is over: it is {_holder(row)}, with the token {row.claim_token}"
        )


def may_decide(row: Row[Any], reviewer: str, token: int | None, now: datetime) -> None:
    """Whether this reviewer may change the item now. Raises NotPending, ClaimLost, HeldByAnother."""
    if token is None:
        free(row, reviewer, now)
    else:
        holds(row, reviewer, token)


def _holder(row: Row[Any]) -> str:
    return f"claimed by {row.claimed_by} until {row.claim_expires[:19]}Z"


def _by(row: Row[Any]) -> str:
    who = f" by {row.reviewer}" if row.reviewer else ""
    why = f": {row.reviewer_reason}" if row.reviewer_reason else ""
    return f" (decided{who} {row.decided_at[:19]}Z{why})" if row.decided_at else ""
