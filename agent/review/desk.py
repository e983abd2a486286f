"""The queue as one reviewer uses it, from the command line and from the screen."""

from __future__ import annotations

from datetime import datetime, timedelta

from so8t.audit_db import Claims, Figures, Record, ReviewError, ReviewItem, ReviewQueue, Revisions, Store, Trail
from so8t.audit_db.figures import figures, lately
from so8t.gate.contract import Call, Verdict


class NoReason(ReviewError):
    """A refusal without a reason: the agent and its user would learn nothing from it."""


class ItemsDamaged(ReviewError):
    """Somebody edited the queue by hand so that it can no longer be read."""


class Desk:
    """Reads and decides. All methods block; all raise TrailError and ReviewError.

    Args:
        reviewer: whose name stands beside the decisions.
    """

    def __init__(self, store: Store, reviewer: str) -> None:
        self._store = store
        self._queue = ReviewQueue(store)
        self._claims = Claims(store)
        self._revisions = Revisions(store)
        self.trail = Trail(store)
        self.reviewer = reviewer

    def now(self) -> datetime:
        """The clock that the queue goes by."""
        return self._store.clock()

    def waiting(self) -> list[ReviewItem]:
        """What can be decided now, oldest first."""
        now = self.now()
        return [item for item in self._items("pending") if item.expires > now]

    def all(self) -> list[ReviewItem]:
        """Every item in every state, oldest first."""
        return self._items()

    def item(self, id: str) -> ReviewItem:
        """One item that agrees with the trail. Raises UnknownItem, Forged."""
        return self._queue.get(id)

    def decidable(self, id: str, token: int | None = None) -> ReviewItem:
        """An item that this reviewer may decide about now. Raises what Claims.decidable raises."""
        return self._claims.decidable(id, self.reviewer, token)

    def claim(self, id: str, lease: timedelta) -> ReviewItem:
        """Take the item for a while; it tells the token. Raises what Claims.claim raises."""
        return self._claims.claim(id, self.reviewer, lease)

    def renew(self, id: str, token: int, lease: timedelta) -> ReviewItem:
        """Keep the claim. Raises what Claims.renew raises."""
        return self._claims.renew(id, self.reviewer, token, lease)

    def release(self, id: str, token: int) -> ReviewItem:
        """Give the claim back. Raises what Claims.release raises."""
        return self._claims.release(id, self.reviewer, token)

    def approve(self, id: str, digest: str, note: str = "", token: int | None = None) -> ReviewItem:
        """Let the call with this digest run once. Raises what ReviewQueue.approve raises."""
        return self._queue.approve(id, digest, self.reviewer, note, token)

    def refuse(self, id: str, reason: str, token: int | None = None) -> ReviewItem:
        """Forbid the call. Raises NoReason, and what ReviewQueue.refuse raises."""
        if not reason.strip():
            raise NoReason("a refusal needs a reason: the agent and its user are told it")
        return self._queue.refuse(id, self.reviewer, reason.strip(), token)

    def edit(
        self, seen: ReviewItem, call: Call, verdict: Verdict, note: str = "", token: int | None = None
    ) -> ReviewItem:
        """Put an edited call in the place of the one that was seen. Raises what Revisions.edit raises."""
        return self._revisions.edit(seen.id, seen.digest, call, verdict, self.reviewer, note, token)

    def reopen(self, id: str, reason: str, ttl: timedelta) -> ReviewItem:
        """Let what was refused or expired wait again. Raises NoReason, and what Revisions.reopen raises."""
        if not reason.strip():
            raise NoReason("to reopen a review takes a reason: it stands in the trail")
        return self._revisions.reopen(id, self.reviewer, reason.strip(), ttl)

    def records(self, id: str) -> list[Record]:
        """Everything that the trail holds about one item, oldest first. Raises UnknownItem, Forged."""
        self._queue.get(id)
        return list(self.trail.records(subject=id))

    def lately(self, limit: int) -> list[ReviewItem]:
        """What was decided, the newest decision first."""
        return lately(self._store, limit)

    def figures(self, since: datetime | None = None) -> Figures:
        """What waits, and what people decided since then."""
        return figures(self._store, since)

    def _items(self, state: str | None = None) -> list[ReviewItem]:
        try:
            items = self._queue.items(state)
        except (ValueError, TypeError) as error:
            raise ItemsDamaged(f"the review queue is damaged ({error}); run: so8t audit verify") from None
        for item in items:
            texts = (item.tool, item.owner, item.reason, item.user_text)
            if not all(isinstance(text, str) for text in texts) or not (item.created.tzinfo and item.expires.tzinfo):
                raise ItemsDamaged(f"the review {item.id} is damaged; run: so8t audit verify")
        return items
