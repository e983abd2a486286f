"""Any OpenAI-compatible endpoint: vLLM, llama-server, Ollama, or OpenAI itself."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import httpx
import httpx_sse
from pydantic import ValidationError

from so8t.agent.engines import EngineFault, EngineUnavailable, Reply, TextDelta
from so8t.agent.engines.openai_answer import Answer, Chunk
from so8t.agent.engines.wire import messages_json, tools_json
from so8t.gate.contract import Message, ToolSpec

THIS_MACHINE = {"127.0.0.1", "localhost", "::1"}
REFUSED = (401, 403)  # statuses


@dataclass(frozen=True, slots=True)
class Options:
    """How the endpoint is asked. Times in seconds."""

    temperature: float = 0.0
    max_tokens: int = 1024
    token_timeout: float = 120.0


class OpenAI:
    """Engine over HTTP. The key is sent only over TLS or to this machine."""

    def __init__(self, base_url: str, model: str, api_key: str | None, options: Options = Options()) -> None:
        """Raises EngineUnavailable: an address or a key that cannot be used."""
        self.name = model or "endpoint's default"
        self._model = model
        self._options = options
        self._url = _address(base_url)
        self._key = _checked_key(api_key, self._url)
        self._shown = str(self._url.copy_with(userinfo=b"", query=None))  # what messages may tell
        self._client = httpx.AsyncClient(
            headers={"Authorization": f"Bearer {self._key}"} if self._key else {},
            timeout=httpx.Timeout(30.0, read=options.token_timeout),
            follow_redirects=False,
            trust_env=self._url.host not in THIS_MACHINE,  # a proxy would see the key, and this machine needs none
        )

    async def start(self) -> None:
        """Ask for the list of models, which every such endpoint has. Raises EngineUnavailable."""
        try:
            response = await self._client.get(self._at("models"))
        except httpx.HTTPError as error:
            raise self._unreachable(error) from None
        if response.status_code in REFUSED:
            raise EngineUnavailable(f"{self._shown} refused the API key (status {response.status_code})")

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def stream(
        self, messages: Sequence[Message], tools: Sequence[ToolSpec]
    ) -> AsyncGenerator[TextDelta | Reply, None]:
        """Ask for a streamed chat completion."""
        answer = Answer()
        try:
            async with aclosing(self._chunks(self._request(messages, tools))) as chunks:
                async for chunk in chunks:
                    if text := answer.add(chunk):
                        yield TextDelta(text)
        except httpx.ReadTimeout:
            seconds = f"{self._options.token_timeout:g} s (model.token_timeout)"
            raise EngineFault(f"{self._shown} was silent for {seconds}") from None
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise self._unreachable(error) from None
        except (httpx.HTTPError, httpx_sse.SSEError) as error:
            raise EngineFault(self._safe(f"{self._shown} broke off: {error or type(error).__name__}")) from None
        if answer.finish is None:
            raise EngineFault(f"{self._shown} broke off in the middle of the answer")
        if text := answer.rest():
            yield TextDelta(text)
        yield answer.reply()

    async def _chunks(self, request: dict[str, Any]) -> AsyncGenerator[Chunk, None]:
        address = str(self._at("chat/completions"))
        async with httpx_sse.aconnect_sse(self._client, "POST", address, json=request) as source:
            await self._check(source.response)
            async with aclosing(source.aiter_sse()) as events:
                async for event in events:
                    if event.data.strip() == "[DONE]":
                        return
                    yield self._chunk(event.data)

    def _request(self, messages: Sequence[Message], tools: Sequence[ToolSpec]) -> dict[str, Any]:
        request: dict[str, Any] = {
            "messages": messages_json(messages, tools, arguments_as_text=True),
            "stream": True,
            "temperature": self._options.temperature,
            "max_tokens": self._options.max_tokens,
        }
        optional = {"model": self._model, "tools": tools_json(tools)}
        return request | {key: value for key, value in optional.items() if value}

    async def _check(self, response: httpx.Response) -> None:
        if response.status_code in REFUSED:
            raise EngineUnavailable(f"{self._shown} refused the API key (status {response.status_code})")
        if response.status_code != httpx.codes.OK:
            body = (await response.aread()).decode("utf-8", "replace")
            raise EngineFault(self._safe(f"{self._shown} answered {response.status_code}: {body}"))

    def _chunk(self, data: str) -> Chunk:
        try:
            chunk = Chunk.model_validate_json(data)
        except ValidationError:
            raise EngineFault(f"{self._shown} sent a chunk that is no chat completion") from None
        if chunk.error is not None:
            raise EngineFault(self._safe(f"{self._shown} reports: {chunk.error}"))
        return chunk

    def _at(self, path: str) -> httpx.URL:
        return self._url.copy_with(path=f"{self._url.path.rstrip('/')}/{path}")

    def _unreachable(self, error: Exception) -> EngineUnavailable:
        why = self._safe(f"{error or type(error).__name__}")
        return EngineUnavailable(f"cannot reach {self._shown}: {why}. Is the server running?")

    def _safe(self, text: str) -> str:
        """One short line without the key, which some servers send back."""
        return " ".join((text.replace(self._key, "[key]") if self._key else text).split())[:500]


def _address(base_url: str) -> httpx.URL:
    try:
        url = httpx.URL(base_url)
    except (httpx.InvalidURL, ValueError):
        url = httpx.URL()
    if url.scheme not in ("http", "https") or not url.host or not 0 < (url.port or 80) < 65536:
        raise EngineUnavailable(f"model.openai.base_url must be an http(s) address, not {base_url!r}")
    return url


def _checked_key(key: str | None, url: httpx.URL) -> str:
    key = (key or "").strip()
    if key and url.scheme == "http" and url.host not in THIS_MACHINE:
        raise EngineUnavailable(f"the API key would go in plain text to {url.host}: use https")
    if not (key.isascii() and (key.isprintable() or not key)):
        raise EngineUnavailable("the API key holds characters that no key has: set the variable again")
    return key
