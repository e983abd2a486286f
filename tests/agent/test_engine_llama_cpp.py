"""The llama.cpp engine with the real model that ships with so8t, in a real worker process."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from so8t.agent.engines import EngineFault, EngineUnavailable, Reply, TextDelta
from so8t.agent.engines.llama_cpp import LlamaCpp, Options
from so8t.gate.contract import Message, ToolSpec
from so8t.gate.models.located import path
from so8t.tools import Toolbox

MODEL = path("so8t-mini")
pytestmark = pytest.mark.skipif(MODEL is None, reason="so8t-mini is not here")
posix = pytest.mark.skipif(sys.platform == "win32", reason="sends POSIX signals")

TOOLS = Toolbox.load([], entry_points=False, disabled=()).specs
HELLO, SUM = Message("user", "hello, who are you?"), Message("user", "what is 21 * 2?")


@asynccontextmanager
async def opened(file: Path | None = MODEL, **options: Any) -> AsyncIterator[LlamaCpp]:
    assert file is not None
    engine = LlamaCpp(file, "test", Options(threads=1, **options))
    try:
        yield engine
    finally:
        await engine.close()


async def answer(engine: LlamaCpp, talk: Sequence[Message], tools: Sequence[ToolSpec] = TOOLS) -> tuple[str, Reply]:
    """All the text that was streamed, and the reply."""
    items = [item async for item in engine.stream(talk, tools)]
    assert isinstance(items[-1], Reply)
    assert all(isinstance(item, TextDelta) and item.text for item in items[:-1])
    return "".join(item.text for item in items[:-1] if isinstance(item, TextDelta)), items[-1]


def test_text_comes_in_pieces_that_make_up_the_reply() -> None:
    async def run() -> None:
        async with opened() as engine:
            items = [item async for item in engine.stream([HELLO], TOOLS)]
        assert len(items) > 3
        *pieces, reply = items
        assert isinstance(reply, Reply)
        assert "".join(piece.text for piece in pieces if isinstance(piece, TextDelta)) == reply.text
        assert (reply.calls, reply.finish, reply.notice) == ((), "stop", None)

    asyncio.run(run())


def test_a_call_is_proposed_and_no_part_of_it_is_shown() -> None:
    async def run() -> None:
        async with opened() as engine:
            text, reply = await answer(engine, [SUM])
        assert (text, reply.text) == ("", "")
        assert [call.name for call in reply.calls] == ["calculator"]
        assert "21" in json.loads(reply.calls[0].arguments)["expression"]

    asyncio.run(run())


def test_at_temperature_0_the_same_question_has_the_same_answer() -> None:
    async def run() -> None:
        async with opened() as engine:
            first = [await answer(engine, [question]) for question in (HELLO, SUM)]
        async with opened() as engine:
            assert [await answer(engine, [question]) for question in (HELLO, SUM)] == first

    asyncio.run(run())


@pytest.mark.parametrize("temperature", [0.0, 0.7, 2.0])
def test_at_any_temperature_a_call_fits_its_tools_schema(temperature: float) -> None:
    box = Toolbox.load([], entry_points=False, disabled=())
    questions = [
        "read notes.md",
        "fetch https://example.com",
        "what is 3 + 4?",
        "what time is it in Tokyo?",
        "list docs",
    ]

    async def run() -> list[Reply]:
        async with opened(temperature=temperature, max_tokens=120) as engine:
            return [(await answer(engine, [Message("user", question)]))[1] for question in questions]

    calls = [call for reply in asyncio.run(run()) for call in reply.calls]
    assert calls
    for call in calls:
        box.validate(call.name, call.arguments)


def test_a_tool_that_is_not_offered_cannot_be_called() -> None:
    question = Message("user", "fetch https://example.com/a.txt")

    async def run(names: set[str]) -> list[str]:
        async with opened(max_tokens=120) as engine:
            _, reply = await answer(engine, [question], [tool for tool in TOOLS if tool.name in names])
            return [call.name for call in reply.calls]

    assert asyncio.run(run({"http_get", "read_file"})) == ["http_get"]
    assert asyncio.run(run({"read_file", "calculator"})) in (["read_file"], ["calculator"], [])


def test_a_stream_that_is_closed_stops_and_the_next_question_is_answered() -> None:
    async def run() -> None:
        async with opened() as engine:
            whole = await answer(engine, [HELLO])
            async with aclosing(engine.stream([HELLO], TOOLS)) as stream:
                assert isinstance(await anext(stream), TextDelta)
            assert await answer(engine, [HELLO]) == whole

    asyncio.run(run())


def test_cancelling_the_reader_stops_the_stream_and_the_next_question_is_answered() -> None:
    long = Message("user", "word " * 1500)

    async def run() -> None:
        async with opened() as engine:
            whole = await answer(engine, [SUM])
            task = asyncio.create_task(answer(engine, [long]))
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert await answer(engine, [SUM]) == whole

    asyncio.run(run())


def test_old_turns_are_left_out_with_one_notice_for_as_long_as_the_context_is_full() -> None:
    old = [m for n in range(40) for m in (Message("user", f"note {n}: " + "word " * 30), Message("assistant", "Fine."))]

    async def run() -> None:
        async with opened(context=512, max_tokens=60) as engine:
            _, reply = await answer(engine, [*old, SUM])
            assert reply.notice is not None
            assert "longer than the model's context (512 tokens, model.llama_cpp.context)" in reply.notice
            assert (await answer(engine, [*old, SUM]))[1].notice is None  # told before
            assert (await answer(engine, [SUM]))[1].notice is None
            assert (await answer(engine, [*old, SUM]))[1].notice is not None

    asyncio.run(run())


def test_a_turn_that_does_not_fit_at_all_is_a_clear_error_and_the_model_lives_on() -> None:
    async def run() -> None:
        async with opened(context=512) as engine:
            with pytest.raises(EngineFault, match=r"this turn is longer than the model's context \(512 tokens"):
                await answer(engine, [Message("user", "word " * 3000)])
            assert (await answer(engine, [SUM]))[1].calls

    asyncio.run(run())


def test_an_answer_that_reaches_max_tokens_is_cut_and_says_so() -> None:
    async def run() -> None:
        async with opened(max_tokens=3) as engine:
            text, reply = await answer(engine, [HELLO])
            assert (reply.finish, reply.text) == ("length", text)
            assert "model.max_tokens" in (reply.notice or "")
            assert (await answer(engine, [SUM]))[1].calls == ()  # a cut call is no call

    asyncio.run(run())


def child_of(engine: LlamaCpp) -> int:
    process = engine._worker._process
    assert process is not None
    return process.pid


@posix
def test_a_worker_that_is_killed_in_the_middle_of_an_answer_is_a_fault_and_the_next_turn_works() -> None:
    async def run() -> None:
        async with opened() as engine:
            stream = engine.stream([HELLO], TOOLS)
            await anext(stream)
            os.kill(child_of(engine), signal.SIGKILL)
            with pytest.raises(EngineFault, match="started again with the next turn"):
                [item async for item in stream]
            assert (await answer(engine, [SUM]))[1].calls

    asyncio.run(run())


@posix
def test_a_worker_that_hangs_is_killed_and_the_next_turn_works() -> None:
    async def run() -> None:
        async with opened(token_timeout=1.0) as engine:
            await engine.start()
            os.kill(child_of(engine), signal.SIGSTOP)
            with pytest.raises(EngineFault, match="no answer within 1 s"):
                await answer(engine, [SUM])
            assert (await answer(engine, [SUM]))[1].calls

    asyncio.run(run())


def test_a_missing_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    async def run() -> None:
        async with opened(tmp_path / "nothing.gguf") as engine:
            with pytest.raises(EngineUnavailable, match=r"nothing\.gguf"):
                await engine.start()

    asyncio.run(run())


def test_after_close_nothing_is_answered_and_closing_again_is_fine() -> None:
    async def run() -> None:
        async with opened() as engine:
            await engine.start()
            await engine.close()
            await engine.close()
            with pytest.raises(EngineUnavailable, match="closed"):
                await answer(engine, [SUM])

    asyncio.run(run())
