"""Native code at arm's length: a supervised child process with deadlines, restarts and clear errors.

A malformed model file aborts the process that opens it, and a native call may hang. Here that costs the child only.
"""

from so8t.gate.worker.backoff import Backoff
from so8t.gate.worker.errors import (
    RemoteError,
    WorkerBackingOff,
    WorkerClosed,
    WorkerCrashed,
    WorkerError,
    WorkerStartFailed,
    WorkerTimeout,
)
from so8t.gate.worker.frames import Json, pack, unpack
from so8t.gate.worker.supervisor import Worker

__all__ = [
    "Backoff",
    "Json",
    "RemoteError",
    "Worker",
    "WorkerBackingOff",
    "WorkerClosed",
    "WorkerCrashed",
    "WorkerError",
    "WorkerStartFailed",
    "WorkerTimeout",
    "pack",
    "unpack",
]
