"""A reviewer as a program of its own, for the tests that race several against each other.

Usage: review_worker.py URL NAME. It decides about every item that it can get: some it claims first, some it decides
without a claim. It prints `decided ID STATE` for what it won and `lost ID TEXT` for what it was told where it lost.
"""

from __future__ import annotations

import random
import sys
from datetime import timedelta

from so8t.audit_db import Claims, Masker, ReviewItem, ReviewQueue, Store
from so8t.audit_db.errors import ClaimLost, HeldByAnother, NotPending


def decide(queue: ReviewQueue, claims: Claims, item: ReviewItem, name: str) -> str:
    """Returns the state that this reviewer gave the item."""
    token = claims.claim(item.id, name, timedelta(minutes=10)).claim_token if random.random() < 0.5 else None
    if random.random() < 0.5:
        return queue.approve(item.id, item.digest, name, name, token).state
    return queue.refuse(item.id, name, name, token).state


def main(url: str, name: str) -> None:
    with Store.open(url, Masker(), busy_seconds=120) as store:
        queue, claims = ReviewQueue(store), Claims(store)
        items = queue.items()
        print("ready", flush=True)  # noqa: T201 - the test reads it
        sys.stdin.readline()  # all start together
        for item in random.sample(items, len(items)):
            try:
                print("decided", item.id, decide(queue, claims, item, name), flush=True)  # noqa: T201
            except (NotPending, HeldByAnother, ClaimLost) as error:
                print("lost", item.id, error, flush=True)  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
