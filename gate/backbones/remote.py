"""A backbone in a worker process of its own: a crash or a hang there is a BackboneFault here."""

from __future__ import annotations

import os
from typing import Any

from so8t.gate.backbones import BackboneFault, Pooled, Rendered
from so8t.gate.windows import TooLong
from so8t.gate.worker import RemoteError, Worker, WorkerError
from so8t.gate.worker.frames import BadFrame, unpack


class RemoteBackbone:
    """Implements so8t.gate.backbones.Backbone over a service with the methods `describe` and `pool`."""

    def __init__(self, worker: Worker, id: str, dimension: int, deadline: float) -> None:
        """Use start()."""
        self.id = id
        self.dimension = dimension
        self._worker = worker
        self._deadline = deadline

    @classmethod
    async def start(
        cls, target: str, options: dict[str, Any], *, id: str, name: str, deadline: float
    ) -> RemoteBackbone:
        """Start the worker and load the model in it.

        Args:
            target: the service's factory, `module:function`.
            options: its keyword arguments.
            id: what a head's metadata must name.
            name: what the user is told of the model.
            deadline: seconds for one pool(); past it the worker is killed.

        Raises:
            BackboneFault: a file is missing, changed, or no such model; the worker did not start.
        """
        worker = Worker(target, options, name="encoder", start_timeout=120)
        try:
            seen = await worker.call("describe", None, timeout=60)
        except WorkerError as error:
            await worker.close()
            raise BackboneFault(f"the gate's {name} cannot be used: {error}") from None
        except BaseException:
            await worker.close()
            raise
        return cls(worker, id, int(seen["dimension"]), deadline)

    async def pool(self, rendered: Rendered) -> Pooled:
        """The pooled last hidden state of each window, not normalised.

        Raises:
            BackboneFault: crash, timeout; its subclass TooLong: a text of too many windows.
        """
        payload = {"header": rendered.header, "body": list(rendered.body)}
        try:
            answer = await self._worker.call("pool", payload, timeout=self._deadline)
            return Pooled(unpack(answer["vectors"]), int(answer["tokens"]), int(answer["unknown"]))
        except RemoteError as error:
            raise (TooLong if error.kind == TooLong.__name__ else BackboneFault)(error.message) from None
        except (WorkerError, BadFrame) as error:
            raise BackboneFault(str(error)) from None

    async def close(self) -> None:
        """Stop the worker. Idempotent."""
        await self._worker.close()


def threads_or_default(threads: int | None) -> int:
    """None or 0 is the number of processors, at most 4: more does not help with texts this short."""
    return threads or min(4, os.cpu_count() or 1)
