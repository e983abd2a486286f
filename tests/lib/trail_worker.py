"""A program of its own that works on a trail, for the tests that race programs against each other and kill them.

Usage: trail_worker.py URL JOB NAME. It prints a line when a step is committed, and works until it is told otherwise.
"""

from __future__ import annotations

import random
import sys
from datetime import timedelta

from judged_calls import TOOL, proposal, verdict

from so8t.audit_db import Masker, ReviewQueue, SessionLock, Store, Trail, TrailError
from so8t.audit_db.errors import AlreadyConsumed, NotPending
from so8t.gate.contract import Call, Decision, Source, Verdict


def said(*words: object) -> None:
    print(*words, flush=True)  # noqa: T201 - the test reads it


def decide(trail: Trail, name: str, call: Call, decision: Decision) -> Verdict:
    judged = verdict(call, decision)
    trail.decided(name, proposal(call), judged)
    return judged


def allowed_call(trail: Trail, name: str) -> None:
    call = Call.of("write_file", {"path": name})
    decide(trail, name, call, Decision.ALLOW)
    said("decided", call.id)
    trail.intent(name, call, Source.HEAD)
    said("intent", call.id)
    trail.outcome(name, call.id, "done", "written", False, 1.0)
    said("outcome", call.id)


def reviewed_call(trail: Trail, queue: ReviewQueue, name: str) -> None:
    call = Call.of("write_file", {"path": name})
    verdict = decide(trail, name, call, Decision.ESCALATE)
    item = queue.submit(name, "w", call, TOOL, verdict, "write", timedelta(hours=1))
    said("pending", call.id)
    queue.approve(item.id, item.digest, "alice")
    said("approved", call.id)
    queue.consume(item.id, call, name)
    said("intent", call.id)
    trail.outcome(name, call.id, "done", "written", False, 1.0)
    said("outcome", call.id)


def race(queue: ReviewQueue, name: str) -> None:
    """Decide, then run, every item; say which of them this program won."""
    items = queue.items()
    for item in random.sample(items, len(items)):
        try:
            queue.approve(item.id, item.digest, name)
            said("decided", item.id)
        except NotPending:
            continue
    for item in random.sample(items, len(items)):
        try:
            queue.consume(item.id, queue.call_of(item), name)
            said("consumed", item.id)
        except AlreadyConsumed:
            continue


def main(url: str, job: str, name: str) -> None:
    store = Store.open(url, Masker())
    trail, queue = Trail(store), ReviewQueue(store)
    said("ready")
    match job:
        case "open":
            return
        case "append":
            for number in range(50):
                trail.fault(name, f"number {number}")
        case "race":
            sys.stdin.readline()  # all start together
            race(queue, name)
        case "work":
            sys.stdin.readline()
            while True:
                allowed_call(trail, name)
                reviewed_call(trail, queue, name)
        case "hold":
            with SessionLock(store, name):
                said("held")
                sys.stdin.readline()
        case "flood":
            try:
                while True:
                    trail.fault(name, "x" * 20_000)
            except TrailError as error:
                said(type(error).__name__, error)


if __name__ == "__main__":
    main(*sys.argv[1:])
