"""The audit trail and the review queue.

store = Store.open(Path("so8t.db"), Masker({"corp_password": "..."}))
recover(store)                      # calls that a dead program left open become `unknown`
trail, queue = Trail(store), ReviewQueue(store)
with SessionLock(store, session): ...
"""

from so8t.audit_db.chain import Record
from so8t.audit_db.claims import Claims
from so8t.audit_db.errors import ReviewError, TrailError, TrailUnavailable
from so8t.audit_db.figures import Figures
from so8t.audit_db.grant import Grant
from so8t.audit_db.grants import Granted, Grants
from so8t.audit_db.item import ReviewItem
from so8t.audit_db.liveness import SessionLock, alive, recover
from so8t.audit_db.mask import BadSecret, Masker
from so8t.audit_db.queue import ReviewQueue
from so8t.audit_db.revisions import Revisions
from so8t.audit_db.store import Store
from so8t.audit_db.trail import Trail
from so8t.audit_db.verify import Verification

__all__ = [
    "BadSecret",
    "Claims",
    "Figures",
    "Grant",
    "Granted",
    "Grants",
    "Masker",
    "Record",
    "ReviewError",
    "ReviewItem",
    "ReviewQueue",
    "Revisions",
    "SessionLock",
    "Store",
    "Trail",
    "TrailError",
    "TrailUnavailable",
    "Verification",
    "alive",
    "recover",
]
