"""What a reviewer may change of an item: the arguments of a call that waits, and a decision against it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from sqlalchemy import Row

from so8t.audit_db.chain import timestamp
from so8t.audit_db.claims import may_decide, named
from so8t.audit_db.errors import BadFilter, DigestMismatch, EditRefused, Expired, NotReopened
from so8t.audit_db.item import ReviewItem, change, columns, to_item
from so8t.audit_db.lifecycle import REOPENED_FROM, current
from so8t.audit_db.lookup import due, one
from so8t.audit_db.mask import MaskedText
from so8t.audit_db.schema import review_item
from so8t.audit_db.store import Store
from so8t.audit_db.submission import verdict_json
from so8t.gate.contract import Call, Decision, Source, Verdict
from so8t.gate.strict_json import loads

MARK: Final = "[masked:"  # how a masked secret begins, also within JSON text


class Revisions:
    """Edits and reopenings. Every method raises UnknownItem, Forged, TrailUnavailable and TrailDamaged."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._masker = store.masker

    def edit(
        self, id: str, seen: str, call: Call, verdict: Verdict, reviewer: str, note: str = "", token: int | None = None
    ) -> ReviewItem:
        """Put other arguments in the place of those that wait. It goes on waiting: an approval names the new digest.

        Args:
            seen: digest of the call that the reviewer edited.
            call: the edited call, its arguments checked.
            verdict: what the gate says of it. REFUSE is recorded, and the item stays as it was.

        Raises:
            NotPending, ClaimLost, HeldByAnother, Expired
            DigestMismatch: somebody else edited the item meanwhile.
            EditRefused: another tool, a secret, a verdict about another call, or REFUSE.
        """
        reviewer = named(self._masker, reviewer)
        checked = self._checked(id, call, verdict)
        facts: dict[str, Any] = {"edited_arguments": MaskedText(call.arguments_json), "edited_digest": call.digest}
        facts |= {"edited_by": reviewer, "edited_verdict": MaskedText(checked), "reviewer": reviewer}
        with self._store.write() as conn:
            row, now = one(conn, id), self._store.clock()
            may_decide(row, reviewer, token, now)
            if id in due(conn, now, review_item.c.id == id):
                raise Expired(f"the review {id} expired at {row.expires}: reopen it first")
            _fits(row, call, seen)
            refused = verdict.decision is Decision.REFUSE
            change(conn, self._masker, now, row, "edit refused" if refused else "edited", **facts, reviewer_reason=note)
            item = to_item(one(conn, id))
        if refused:
            raise EditRefused(
                f"the gate refuses the edited call: {'; '.join(verdict.reasons)}. The call waits as it was"
            )
        return item

    def reopen(self, id: str, reviewer: str, reason: str, ttl: timedelta) -> ReviewItem:
        """Let an item that was refused, or that expired, wait again, for `ttl` from now.

        Raises:
            NotReopened: it is in another state, or the policy refuses the call.
            BadFilter: no reviewer, no reason, or a time to live that is not positive.
        """
        reviewer = named(self._masker, reviewer)
        if not reason.strip() or ttl <= timedelta(0):
            raise BadFilter("to reopen a review takes a reason, and a time to live that is positive")
        with self._store.write() as conn:
            row, now = one(conn, id), self._store.clock()
            _may_reopen(row)
            facts = {"from": row.state, "reviewer": reviewer, "reviewer_reason": reason}
            change(conn, self._masker, now, row, "reopened", **facts, expires=timestamp(now + ttl))
            return to_item(one(conn, id))

    def _checked(self, id_: str, call: Call, verdict: Verdict) -> str:
        """The verdict as JSON. Raises EditRefused."""
        if verdict.digest != call.digest or call.id != id_:
            raise EditRefused("the verdict is not about this edited call: ask the gate again")
        if self._masker.call(call).digest != call.digest:
            raise EditRefused("the edited arguments hold a secret, which is never stored: leave it out")
        if MARK in call.arguments_json:
            raise EditRefused(
                "the edited arguments still hold a masked secret, which nobody can put back: leave it out"
            )
        return verdict_json(self._masker, verdict)


def _fits(row: Row[Any], call: Call, seen: str) -> None:
    if call.name != row.tool:
        raise EditRefused(f"an edit changes the arguments of {row.tool}, not the tool")
    now = current(columns(row), "digest")
    if seen != now:
        raise DigestMismatch(f"the review {row.id} is about another call than the one shown: look at it again")
    if call.digest == now:
        raise EditRefused(f"the arguments of {row.id} are these already: nothing was changed")


def _may_reopen(row: Row[Any]) -> None:
    if row.state not in REOPENED_FROM:
        raise NotReopened(f"the review {row.id} is {row.state}: only what was refused or expired can be reopened")
    for text in (row.verdict, row.edited_verdict):
        for finding in loads(text)["findings"] if text else ():
            if (finding["source"], finding["decision"]) == (Source.POLICY, Decision.REFUSE.name):
                raise NotReopened(f"the review {row.id} stays closed: the policy refuses it ({finding['reason']})")
