"""An engine that replies from a script: for demos, and for tests of everything around a model.

The script is a JSON list. Each item answers one request, in order:
{"text": "...", "calls": [{"name": "...", "arguments": {...}}]}. With a key "when" the item answers only if the last
message contains that text. After the last item: "(end of script)".
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from so8t.agent.engines import EngineUnavailable, ProposedCall, Reply, TextDelta
from so8t.gate.contract import Message, ToolSpec


class ScriptedCall(BaseModel):
    """One call; `arguments` may be any JSON; text is passed on as it stands, so that bad ones can be scripted."""

    model_config = ConfigDict(extra="forbid")
    name: str
    arguments: Any = {}


class ScriptedReply(BaseModel):
    """One answer."""

    model_config = ConfigDict(extra="forbid")
    text: str = ""
    calls: list[ScriptedCall] = []
    when: str | None = None


class Scripted:
    """Engine over a list of replies."""

    def __init__(self, replies: Sequence[ScriptedReply], name: str = "scripted") -> None:
        self.name = name
        self._replies = list(replies)

    @classmethod
    def from_file(cls, path: Path) -> Scripted:
        """Raises EngineUnavailable when the file is missing or no script."""
        try:
            replies = TypeAdapter(list[ScriptedReply]).validate_json(path.read_bytes())
        except OSError as error:
            raise EngineUnavailable(f"cannot read the script {path}: {error.strerror}") from None
        except ValidationError as error:
            problem = error.errors(include_url=False)[0]
            where = "".join(f"{part}: " for part in problem["loc"])
            raise EngineUnavailable(f"{path} is no script: {where}{problem['msg']}") from None
        return cls(replies, name=f"scripted {path.name}")

    async def start(self) -> None:
        """Nothing to load."""

    async def close(self) -> None:
        """Nothing to free."""

    async def stream(
        self, messages: Sequence[Message], tools: Sequence[ToolSpec]
    ) -> AsyncGenerator[TextDelta | Reply, None]:
        """Answer with the next reply that fits."""
        reply = self._next(messages[-1].content if messages else "")
        for word in reply.text.splitlines(keepends=True):
            yield TextDelta(word)
        yield Reply(reply.text, tuple(ProposedCall(c.name, _text(c.arguments)) for c in reply.calls))

    def _next(self, last: str) -> ScriptedReply:
        for index, reply in enumerate(self._replies):
            if reply.when is None or reply.when in last:
                return self._replies.pop(index)
        return ScriptedReply(text="(end of script)")


def _text(arguments: Any) -> str:
    return arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
