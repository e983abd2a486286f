"""Any GGUF chat model, run by llama.cpp in a worker process."""

from __future__ import annotations

import secrets
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

from so8t.agent.engines import CUT, UNREADABLE, EngineFault, EngineUnavailable, ProposedCall, Reply, TextDelta
from so8t.agent.engines.wire import messages_json, tools_json
from so8t.gate.contract import Message, ToolSpec
from so8t.gate.worker import RemoteError, Worker, WorkerBackingOff, WorkerClosed, WorkerError, WorkerStartFailed

TARGET = "so8t.agent.engines.llama_service:open_service"


@dataclass(frozen=True, slots=True)
class Options:
    """How a model is run. Times in seconds."""

    context: int = 4096  # tokens; no more than the model was trained for
    threads: int = 0
    gpu_layers: int = 0
    temperature: float = 0.0
    max_tokens: int = 1024
    start_timeout: float = 120.0
    token_timeout: float = 120.0


class LlamaCpp:
    """Engine over a supervised worker: a crash or a hang ends the answer, never the agent."""

    def __init__(self, path: Path, name: str, options: Options = Options()) -> None:
        self.name = name
        self._path = path
        self._options = options
        self._told: str | None = None
        self._worker = Worker(
            TARGET,
            {
                "path": str(path),
                "context": options.context,
                "threads": options.threads,
                "gpu_layers": options.gpu_layers,
            },
            name=f"language model {name}",
            start_timeout=options.start_timeout,
        )

    async def start(self) -> None:
        """Load the model. Raises EngineUnavailable."""
        try:
            await self._worker.start()
        except WorkerError as error:
            raise self._unavailable(error) from None

    async def close(self) -> None:
        """End the worker process."""
        await self._worker.close()

    async def stream(
        self, messages: Sequence[Message], tools: Sequence[ToolSpec]
    ) -> AsyncGenerator[TextDelta | Reply, None]:
        """Generate an answer; calls are written under a grammar made of the tools' schemas."""
        payload = {
            "messages": messages_json(messages, tools, arguments_as_text=False),
            "tools": tools_json(tools),
            "temperature": self._options.temperature,
            "max_tokens": self._options.max_tokens,
            "seed": secrets.randbits(32),
        }
        try:
            async with aclosing(self._worker.stream("generate", payload, timeout=self._options.token_timeout)) as items:
                async for item in items:
                    if "finish" in item:
                        yield _reply(item | {"notice": self._new(item["notice"])})
                    elif item["text"]:  # empty: a sign of life
                        yield TextDelta(item["text"])
        except (WorkerStartFailed, WorkerBackingOff, WorkerClosed) as error:
            raise self._unavailable(error) from None
        except RemoteError as error:
            raise EngineFault(error.message or str(error)) from None
        except WorkerError as error:
            raise EngineFault(f"{error}. The model is started again with the next turn.") from None

    def _new(self, notice: str | None) -> str | None:
        """The notice that the context is full: once, not with every answer until it no longer is."""
        told, self._told = self._told, notice
        return notice if notice != told else None

    def _unavailable(self, error: WorkerError) -> EngineUnavailable:
        return EngineUnavailable(
            f"cannot run the language model {self._path}: {error}. `so8t doctor` says what is wrong."
        )


def _reply(item: dict[str, object]) -> Reply:
    match item:
        case {"text": str(text), "calls": list(calls), "finish": "stop" | "length" as finish, "notice": notice}:
            notices = [notice, CUT if finish == "length" else None if item["readable"] else UNREADABLE]
            shown = "; ".join(str(n) for n in notices if n)
            return Reply(text, tuple(ProposedCall(*call) for call in calls), finish, shown or None)
        case _:
            raise EngineFault("the model's worker answered in an unknown form")
