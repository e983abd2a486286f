"""The queue as one reviewer uses it, from the command line and from the screen."""

from __future__ import annotations

from datetime import datetime

from so8t.audit_db import ReviewError, ReviewItem, ReviewQueue, Store


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

    def approve(self, id: str, digest: str, note: str = "") -> ReviewItem:
        """Let the call with this digest run once. Raises what ReviewQueue.approve raises."""
        return self._queue.approve(id, digest, self.reviewer, note)

    def refuse(self, id: str, reason: str) -> ReviewItem:
        """Forbid the call. Raises NoReason, and what ReviewQueue.refuse raises."""
        if not reason.strip():
            raise NoReason("a refusal needs a reason: the agent and its user are told it")
        return self._queue.refuse(id, self.reviewer, reason.strip())

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
