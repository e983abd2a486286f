"""An agent's program as far as grants go, for the tests that race several against each other and kill them.

Usage: grant_worker.py URL SESSION COUNT. For each of COUNT calls that a grant of the owner `w1` may let pass it prints
`used NUMBER` or `waits`; what was let pass it starts (the intent is stored) and says `started ID`, and never ends it.
"""

from __future__ import annotations

import sys

from judged_calls import proposal, verdict

from so8t.audit_db import Grants, Masker, SessionLock, Store, Trail
from so8t.gate.contract import Call, Decision


def said(*words: object) -> None:
    print(*words, flush=True)  # noqa: T201 - the test reads it


def main(url: str, session: str, count: str) -> None:
    with Store.open(url, Masker(), busy_seconds=120) as store, SessionLock(store, session):
        grants, trail = Grants(store), Trail(store)
        said("ready")
        sys.stdin.readline()  # all start together
        for _ in range(int(count)):
            call = Call.of("write_file", {"path": "notes.txt"})
            granted = grants.use(session, "w1", proposal(call), verdict(call, Decision.ESCALATE))
            if granted is None:
                said("waits")
                continue
            said("used", granted.use.number)
            trail.intent(session, call, granted.verdict.source)
            said("started", call.id)
        sys.stdin.readline()


if __name__ == "__main__":
    main(*sys.argv[1:])
