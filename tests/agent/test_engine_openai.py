"""The engine for OpenAI-compatible endpoints, against a real server: llama-cpp-python's own, with so8t-mini."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import httpx
import pytest

from so8t.agent.engines import EngineFault, EngineUnavailable, Reply, TextDelta
from so8t.agent.engines.openai import OpenAI, Options
from so8t.gate.contract import Call, Message
from so8t.gate.models.located import path
from so8t.tools import Toolbox

MODEL = path("so8t-mini")
pytestmark = [
    pytest.mark.skipif(MODEL is None, reason="so8t-mini is not here"),
    pytest.mark.skipif(importlib.util.find_spec("uvicorn") is None, reason="needs llama-cpp-python[server]"),
]
TOOLS = Toolbox.load([], entry_points=False, disabled=()).specs
HELLO, SUM = Message("user", "hello, who are you?"), Message("user", "what is 21 * 2?")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serving(log: Path, *more: str) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A real server, and the address of its API."""
    port = free_port()
    command = [sys.executable, "-m", "llama_cpp.server", "--model", str(MODEL), "--port", str(port), "--n_ctx", "2048"]
    with log.open("wb") as out, subprocess.Popen([*command, *more], stdout=out, stderr=out) as process:
        try:
            _wait(f"http://127.0.0.1:{port}/docs", process, log)
            yield f"http://127.0.0.1:{port}/v1", process
        finally:
            process.kill()


def _wait(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(600):
        assert process.poll() is None, log.read_text(encoding="utf-8", errors="replace")
        try:
            httpx.get(address, trust_env=False)
            return
        except httpx.TransportError:
            time.sleep(0.1)  # until the other process listens
    raise AssertionError("the server did not come up")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(tmp_path_factory.mktemp("server") / "log", "--api_key", "sk-right-key") as (address, _):
        yield address


@asynccontextmanager
async def opened(address: str, key: str | None = "sk-right-key", **options: float) -> AsyncIterator[OpenAI]:
    engine = OpenAI(address, "so8t-mini", key, Options(max_tokens=80, **options))  # type: ignore[arg-type]
    try:
        yield engine
    finally:
        await engine.close()


async def answer(engine: OpenAI, talk: Sequence[Message]) -> tuple[list[str], Reply]:
    items = [item async for item in engine.stream(talk, TOOLS)]
    assert isinstance(items[-1], Reply)
    return [item.text for item in items[:-1] if isinstance(item, TextDelta)], items[-1]


def test_text_is_streamed_in_pieces(server: str) -> None:
    async def run() -> None:
        async with opened(server) as engine:
            await engine.start()
            pieces, reply = await answer(engine, [HELLO])
        assert len(pieces) > 3
        assert "".join(pieces) == reply.text
        assert (reply.calls, reply.finish, reply.notice) == ((), "stop", None)

    asyncio.run(run())


def test_a_call_that_the_server_leaves_in_the_text_is_read(server: str) -> None:
    async def run() -> None:
        async with opened(server) as engine:
            pieces, reply = await answer(engine, [SUM])
        assert (pieces, reply.text) == ([], "")
        assert [call.name for call in reply.calls] == ["calculator"]
        assert "21" in json.loads(reply.calls[0].arguments)["expression"]

    asyncio.run(run())


def test_the_conversation_goes_on_after_a_result(server: str) -> None:
    call = Call.of("calculator", {"expression": "21 * 2"})
    talk = [SUM, Message("assistant", "", (call,)), Message("tool", "42", tool="calculator", call_id=call.id)]

    async def run() -> None:
        async with opened(server) as engine:
            _, reply = await answer(engine, talk)
        assert "42" in reply.text

    asyncio.run(run())


def test_a_wrong_key_is_refused_in_words_that_do_not_hold_it(server: str) -> None:
    async def run() -> None:
        async with opened(server, key="sk-wrong-key") as engine:
            for attempt in (engine.start(), answer(engine, [HELLO])):
                with pytest.raises(EngineUnavailable, match="refused the API key") as error:
                    await attempt
                assert "sk-wrong-key" not in str(error.value)

    asyncio.run(run())


def test_a_stream_that_is_closed_leaves_the_server_ready_for_the_next(server: str) -> None:
    async def run() -> None:
        async with opened(server) as engine:
            stream = engine.stream([HELLO], TOOLS)
            await anext(stream)
            await stream.aclose()
            assert (await answer(engine, [SUM]))[1].calls

    asyncio.run(run())


def test_nobody_at_the_port_is_an_error_that_says_so() -> None:
    async def run() -> None:
        async with opened(f"http://127.0.0.1:{free_port()}/v1") as engine:
            for attempt in (engine.start(), answer(engine, [HELLO])):
                with pytest.raises(EngineUnavailable, match="Is the server running"):
                    await attempt

    asyncio.run(run())


@asynccontextmanager
async def first_piece_only(address: str, go_on: asyncio.Event) -> AsyncIterator[str]:
    """A relay to `address` that holds back everything after the first piece of text until `go_on`, then hangs up."""

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        url = httpx.URL(address)
        server_reader, server_writer = await asyncio.open_connection(url.host, url.port)
        server_writer.write(await reader.readuntil(b"\r\n\r\n"))
        server_writer.write(await reader.read(1 << 20))
        seen = b""
        while b'"content"' not in seen:
            seen = await server_reader.readuntil(b"}\n\n\r\n")
            writer.write(seen)
        await go_on.wait()
        server_writer.close()
        writer.close()

    server = await asyncio.start_server(relay, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    finally:
        server.close()


def test_a_server_that_dies_in_the_middle_of_an_answer_is_a_fault(tmp_path: Path) -> None:
    async def run() -> None:
        killed = asyncio.Event()
        with serving(tmp_path / "log") as (address, process):
            async with first_piece_only(address, killed) as relay, opened(relay, None) as engine:
                stream = engine.stream([HELLO], TOOLS)
                assert isinstance(await anext(stream), TextDelta)
                process.kill()
                killed.set()
                with pytest.raises(EngineFault, match="broke off"):
                    [item async for item in stream]

    asyncio.run(run())
