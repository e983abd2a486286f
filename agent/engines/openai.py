"""Any OpenAI-compatible endpoint: vLLM, llama-server, Ollama, or OpenAI itself."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
import httpx_sse

from so8t.agent.engines import EngineFault, EngineUnavailable, ProposedCall, Reply, TextDelta
from so8t.agent.engines.call_format import FALLBACK
from so8t.agent.engines.streaming import Visible
from so8t.agent.engines.wire import messages_json, tools_json
from so8t.gate.contract import Message, ToolSpec

PLAIN_HTTP_TO_SELF = {"127.0.0.1", "localhost", "::1"}


@dataclass(frozen=True, slots=True)
class Options:
    """How the endpoint is asked. Times in seconds."""

    temperature: float = 0.0
    max_tokens: int = 1024
    token_timeout: float = 120.0


@dataclass(slots=True)
class _Answer:
    """What has come so far. Endpoints that do not read the model's calls leave them in the text."""

    visible: Visible = field(default_factory=lambda: Visible(FALLBACK))
    calls: dict[int, list[str]] = field(default_factory=dict)  # index -> [name, arguments]
    finish: str = ""

    def add(self, chunk: dict[str, Any]) -> str:
        """Take one chunk in; returns the text that became visible."""
        choice = (chunk.get("choices") or [{}])[0]
        delta = choice.get("delta") or {}
        for call in delta.get("tool_calls") or []:
            known = self.calls.setdefault(int(call.get("index") or 0), ["", ""])
            function = call.get("function") or {}
            known[0] += function.get("name") or ""
            known[1] += function.get("arguments") or ""
        self.finish = choice.get("finish_reason") or self.finish
        return self.visible.add(delta.get("content") or "")

    def reply(self) -> Reply:
        """The whole answer. A cut call is no call."""
        text, written, complete = self.visible.reply()
        cut = self.finish == "length" or not complete
        calls = () if cut else tuple(ProposedCall(n, a or "{}") for _, (n, a) in sorted(self.calls.items())) + written
        notice = "the answer was cut: it reached model.max_tokens" if cut else None
        return Reply(text, calls, "length" if cut else "stop", notice)


class OpenAI:
    """Engine over HTTP. The key is sent only over TLS or to this machine."""

    def __init__(self, base_url: str, model: str, api_key: str | None, options: Options = Options()) -> None:
        self.name = model or "endpoint's default"
        self._url = httpx.URL(base_url.rstrip("/") + "/")
        self._model = model
        self._options = options
        if self._url.scheme not in ("http", "https") or not self._url.host:
            raise EngineUnavailable(f"model.openai.base_url must be an http(s) address, not {base_url!r}")
        if api_key and self._url.scheme == "http" and self._url.host not in PLAIN_HTTP_TO_SELF:
            raise EngineUnavailable(f"the API key would go in plain text to {self._url.host}: use https")
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        timeout = httpx.Timeout(30.0, read=options.token_timeout)
        self._client = httpx.AsyncClient(headers=headers, timeout=timeout, follow_redirects=False)

    async def start(self) -> None:
        """Ask for the list of models, which every such endpoint has. Raises EngineUnavailable."""
        try:
            response = await self._client.get(self._url.join("models"))
        except httpx.HTTPError as error:
            raise self._unreachable(error) from None
        if response.status_code in (401, 403):
            raise EngineUnavailable(f"{self._url} refused the API key (status {response.status_code})")

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def stream(
        self, messages: Sequence[Message], tools: Sequence[ToolSpec]
    ) -> AsyncGenerator[TextDelta | Reply, None]:
        """Ask for a streamed chat completion."""
        answer = _Answer()
        request = self._request(messages, tools)
        try:
            async with httpx_sse.aconnect_sse(
                self._client, "POST", str(self._url.join("chat/completions")), json=request
            ) as source:
                await self._checked(source.response)
                async for event in source.aiter_sse():
                    if event.data == "[DONE]":
                        break
                    if text := answer.add(self._chunk(event.data)):
                        yield TextDelta(text)
        except httpx.ReadTimeout:
            raise EngineFault(
                f"{self._url} was silent for {self._options.token_timeout:g} s (model.token_timeout)"
            ) from None
        except (httpx.HTTPError, httpx_sse.SSEError) as error:
            raise self._unreachable(error) from None
        if text := answer.visible.finish():
            yield TextDelta(text)
        yield answer.reply()

    def _request(self, messages: Sequence[Message], tools: Sequence[ToolSpec]) -> dict[str, Any]:
        request: dict[str, Any] = {
            "model": self._model,
            "messages": messages_json(messages, tools, arguments_as_text=True),
            "stream": True,
            "temperature": self._options.temperature,
            "max_tokens": self._options.max_tokens,
        }
        return request | ({"tools": tools_json(tools)} if tools else {})

    async def _checked(self, response: httpx.Response) -> None:
        if response.status_code != httpx.codes.OK:
            body = (await response.aread())[:500].decode("utf-8", "replace")
            raise EngineFault(f"{self._url} answered {response.status_code}: {' '.join(body.split())}")

    def _chunk(self, data: str) -> dict[str, Any]:
        try:
            chunk = json.loads(data)
        except json.JSONDecodeError:
            raise EngineFault(f"{self._url} sent a chunk that is no JSON") from None
        if not isinstance(chunk, dict):
            raise EngineFault(f"{self._url} sent a chunk that is no object")
        if "error" in chunk:
            raise EngineFault(f"{self._url} reports: {chunk['error']}")
        return chunk

    def _unreachable(self, error: Exception) -> EngineUnavailable:
        return EngineUnavailable(f"cannot reach {self._url}: {error or type(error).__name__}. Is the server running?")
