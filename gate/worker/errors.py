"""What can go wrong with a worker, one class for each."""

from __future__ import annotations


class WorkerError(Exception):
    """The root of the worker's errors."""


class WorkerCrashed(WorkerError):
    """The process died during the request. The next request starts a new one."""


class WorkerTimeout(WorkerError):
    """No answer in time: the process was killed. The next request starts a new one."""


class WorkerStartFailed(WorkerError):
    """The process could not start its service."""


class WorkerBackingOff(WorkerError):
    """The process kept dying, so it is not started again yet.

    `seconds` says how long, from now, every request is refused.
    """

    def __init__(self, message: str, seconds: float) -> None:
        super().__init__(message)
        self.seconds = seconds


class WorkerClosed(WorkerError):
    """close() was called: the worker takes no more requests."""


class RemoteError(WorkerError):
    """The service raised. The process lives on.

    `kind` is the class name of the service's exception, `message` its text.
    """

    def __init__(self, worker: str, kind: str, message: str) -> None:
        super().__init__(f"{worker}: {kind}: {message}" if message else f"{worker}: {kind}")
        self.kind = kind
        self.message = message
