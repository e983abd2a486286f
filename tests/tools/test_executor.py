"""Executor.run: one decision, one run, and every failure of a tool is an outcome."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from so8t.gate.allowed import Allowed, AlreadySpent, Approval
from so8t.gate.contract import Call
from so8t.tools import Executor, MissingResource, Outcome, Toolbox, ToolError, Workspace, tool

Run = Callable[..., Outcome]


def allow(call: Call) -> Allowed:
    return Allowed.by_approval(call, Approval("item0001", call.digest, "tester"))


@tool(effects={"read"})
def echo(text: str, times: int = 1) -> str:
    """Say it."""
    return text * times


@tool(effects={"read"})
async def echo_async(text: str) -> str:
    """Say it later."""
    await asyncio.sleep(0)
    return text


def test_sync_and_async_tools_give_their_text(run_function: Run) -> None:
    for function in (echo, echo_async):
        outcome = run_function(function, '{"text": "日本"}')
        assert (outcome.status, outcome.output, outcome.truncated) == ("done", "日本", False)
        assert outcome.ms >= 0


def test_only_an_allowed_is_taken() -> None:
    executor = Executor(Toolbox([echo]))
    call = Call.of("echo", {"text": "x"})
    for value in (call, None, "echo", object()):
        with pytest.raises(TypeError, match="needs a decision first"):
            asyncio.run(executor.run(value))  # type: ignore[arg-type]  # the mistake under test


def test_a_decision_is_good_for_one_run() -> None:
    runs: list[int] = []

    @tool(effects={"write"})
    def count() -> None:
        """Count."""
        runs.append(1)

    executor = Executor(Toolbox([count]))
    allowed = allow(Call.of("count", {}))
    asyncio.run(executor.run(allowed))
    with pytest.raises(AlreadySpent):
        asyncio.run(executor.run(allowed))
    assert len(runs) == 1


def test_arguments_are_checked_again_before_the_run() -> None:
    executor = Executor(Toolbox([echo]))
    outcome = asyncio.run(executor.run(allow(Call.of("echo", {"text": 5}))))
    assert outcome.status == "error"
    assert outcome.output.startswith("echo: text: ")


def test_a_tool_that_is_gone_is_an_error_outcome() -> None:
    outcome = asyncio.run(Executor(Toolbox([echo])).run(allow(Call.of("ecco", {}))))
    assert outcome.status == "error"
    assert "valid names: echo" in outcome.output


def test_a_tool_error_reaches_the_model_as_it_stands(run_function: Run) -> None:
    @tool(effects={"read"})
    def fails() -> None:
        """Fail."""
        raise ToolError("the printer is out of paper")

    outcome = run_function(fails)
    assert (outcome.status, outcome.output) == ("error", "the printer is out of paper")


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError("two\nlines"), "ValueError: two lines"),
        (KeyError("k"), "KeyError: 'k'"),
        (ValueError(), "ValueError"),
        (TimeoutError("inner"), "TimeoutError: inner"),
        (StopIteration(1), "StopIteration: 1"),
        (SystemExit(3), "SystemExit: 3"),
        (MemoryError(), "MemoryError"),
        (ExceptionGroup("several", [ValueError("a")]), "ExceptionGroup: several (1 sub-exception)"),
    ],
)
def test_an_exception_becomes_one_line_without_traceback(run_function: Run, error: BaseException, text: str) -> None:
    @tool(effects={"read"})
    def fails() -> None:
        """Fail."""
        raise error

    @tool(effects={"read"})
    async def fails_async() -> None:
        """Fail."""
        raise error

    for function in (fails, fails_async):
        outcome = run_function(function)
        assert outcome.status == "error"
        assert text.partition(": 1")[0] in outcome.output
        assert "\n" not in outcome.output
        assert "Traceback" not in outcome.output


def test_a_keyboard_interrupt_inside_a_sync_tool_does_not_end_the_program(run_function: Run) -> None:
    @tool(effects={"read"})
    def fails() -> None:
        """Fail."""
        raise KeyboardInterrupt

    assert run_function(fails).output == "RuntimeError: KeyboardInterrupt"


def test_the_traceback_goes_to_the_debug_log_only(run_function: Run, caplog: pytest.LogCaptureFixture) -> None:
    @tool(effects={"read"})
    def fails() -> None:
        """Fail."""
        raise ValueError("x")

    with caplog.at_level(logging.DEBUG, "so8t.tools.executor"):
        run_function(fails)
    assert [(record.levelname, bool(record.exc_info)) for record in caplog.records] == [("DEBUG", True)]


class Size(BaseModel):
    width: int


@dataclasses.dataclass
class Place:
    name: str


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "done"),
        (5, "5"),
        (True, "true"),
        ({"a": ["é", None]}, '{"a": ["é", null]}'),
        ([Size(width=1), Place("x")], '[{"width": 1}, {"name": "x"}]'),
        ("", ""),
        ("\ud800", "\\ud800"),
    ],
)
def test_results_become_text(run_function: Run, value: object, text: str) -> None:
    @tool(effects={"read"})
    def gives() -> Any:
        """Give."""
        return value

    outcome = run_function(gives)
    assert (outcome.status, outcome.output) == ("done", text)


@pytest.mark.parametrize("value", [b"bytes", object(), float("nan"), {1, 2}, {"a": b"x"}, Size])
def test_results_that_are_neither_text_nor_json_are_an_error(run_function: Run, value: object) -> None:
    @tool(effects={"read"})
    def gives() -> Any:
        """Give."""
        return value

    outcome = run_function(gives)
    assert outcome.status == "error"
    assert "neither text nor JSON" in outcome.output


def test_a_result_that_contains_itself_is_an_error(run_function: Run) -> None:
    @tool(effects={"read"})
    def gives() -> Any:
        """Give."""
        value: list[Any] = []
        value.append(value)
        return value

    assert run_function(gives).status == "error"


def test_output_over_the_cap_is_cut_between_characters(run_function: Run) -> None:
    @tool(effects={"read"}, output_cap=10)
    def long() -> str:
        """Long."""
        return "日本日本日本"

    outcome = run_function(long)
    assert outcome.output == "日本日\n[cut: 9 of 18 bytes are not shown]"
    assert outcome.truncated


def test_output_of_exactly_the_cap_is_whole(run_function: Run) -> None:
    @tool(effects={"read"}, output_cap=9)
    def long() -> str:
        """Long."""
        return "日本日"

    assert (run_function(long).output, run_function(long).truncated) == ("日本日", False)


def test_error_text_is_capped_too(run_function: Run) -> None:
    @tool(effects={"read"}, output_cap=10)
    def fails() -> None:
        """Fail."""
        raise ToolError("x" * 1_000_000)

    assert len(run_function(fails).output) < 100


def test_an_async_tool_that_takes_too_long_is_stopped(run_function: Run) -> None:
    ended: list[str] = []

    @tool(effects={"read"}, timeout=0.05)
    async def slow() -> None:
        """Slow."""
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cleaned up")

    outcome = run_function(slow)
    assert (outcome.status, outcome.output) == ("timeout", "slow took longer than 0.05 s and was stopped")
    assert ended == ["cleaned up"]


def test_a_sync_tool_that_takes_too_long_may_still_run_and_the_outcome_says_so(run_function: Run) -> None:
    release = threading.Event()

    @tool(effects={"read"}, timeout=0.05)
    def slow() -> None:
        """Slow."""
        release.wait()

    outcome = run_function(slow)
    release.set()
    assert outcome.status == "timeout"
    assert "may still be running" in outcome.output


def test_a_stuck_tool_does_not_hold_the_program_at_exit(tmp_path: Path) -> None:
    script = tmp_path / "stuck.py"
    script.write_text(
        """
import asyncio, threading
from so8t.gate.allowed import Allowed, Approval
from so8t.gate.contract import Call
from so8t.tools import Executor, Toolbox, tool

@tool(effects={"read"}, timeout=0.05)
def stuck() -> None:
    '''Never returns.'''
    threading.Event().wait()

call = Call.of("stuck", {})
print(asyncio.run(Executor(Toolbox([stuck])).run(Allowed.by_approval(call, Approval("a", call.digest, "b")))).status)
""",
        encoding="utf-8",
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "timeout"


def test_too_many_stuck_calls_are_refused_with_a_reason() -> None:
    release = threading.Event()

    @tool(effects={"read"}, timeout=0.01)
    def stuck() -> None:
        """Never returns."""
        release.wait()

    executor = Executor(Toolbox([stuck]), concurrency=2)

    async def several() -> list[Outcome]:
        return [await executor.run(allow(Call.of("stuck", {}))) for _ in range(3)]

    outcomes = asyncio.run(several())
    release.set()
    assert [outcome.status for outcome in outcomes] == ["timeout", "timeout", "error"]
    assert "restart" in outcomes[2].output


def test_cancelling_stops_an_async_tool_and_reraises() -> None:
    ended = []
    begun = asyncio.Event()

    @tool(effects={"read"})
    async def slow() -> None:
        """Slow."""
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(1)

    async def scenario() -> None:
        task = asyncio.create_task(Executor(Toolbox([slow])).run(allow(Call.of("slow", {}))))
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(scenario())
    assert ended == [1]


def test_cancelling_a_sync_tool_says_that_it_may_still_run() -> None:
    begun, release = threading.Event(), threading.Event()
    notes: list[str] = []

    @tool(effects={"read"})
    def slow() -> None:
        """Slow."""
        begun.set()
        release.wait()

    async def agent() -> None:
        try:
            await Executor(Toolbox([slow])).run(allow(Call.of("slow", {})))
        except asyncio.CancelledError as error:
            notes.extend(error.__notes__)
            raise

    async def scenario() -> None:
        task = asyncio.create_task(agent())
        await asyncio.to_thread(begun.wait)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(scenario())
    release.set()
    assert notes == ["slow was cancelled; it cannot be stopped and may still be running"]


def test_a_tool_that_cancels_itself_is_an_outcome(run_function: Run) -> None:
    @tool(effects={"read"})
    async def gives_up() -> None:
        """Give up."""
        raise asyncio.CancelledError

    assert run_function(gives_up).status == "cancelled"


def test_no_more_than_the_allowed_number_run_at_once() -> None:
    running, most = 0, 0

    @tool(effects={"read"})
    async def busy() -> None:
        """Busy."""
        nonlocal running, most
        running += 1
        most = max(most, running)
        for _ in range(5):
            await asyncio.sleep(0)
        running -= 1

    async def scenario() -> None:
        executor = Executor(Toolbox([busy]), concurrency=3)
        await asyncio.gather(*(executor.run(allow(Call.of("busy", {}))) for _ in range(20)))

    asyncio.run(scenario())
    assert most == 3


def test_resources_are_passed_by_type(root: Path, run_function: Run) -> None:
    @tool(effects={"read"})
    def where(workspace: Workspace, suffix: str) -> str:
        """Where."""
        return workspace.root.name + suffix

    assert run_function(where, '{"suffix": "!"}', (Workspace(root),)).output == "workspace!"


def test_the_model_cannot_pass_a_resource_itself(root: Path, run_function: Run) -> None:
    @tool(effects={"read"})
    def where(workspace: Workspace) -> str:
        """Where."""
        return str(workspace.root)

    executor = Executor(Toolbox([where]), [Workspace(root)])
    outcome = asyncio.run(executor.run(allow(Call.of("where", {"workspace": "/"}))))
    assert outcome.status == "error"
    assert "unknown argument" in outcome.output


def test_a_resource_of_ones_own_is_a_class_with_a_mark(run_function: Run) -> None:
    assert run_function(ask_greeter, "{}", (Greeter(),)).output == "hello"


class Greeter:
    __so8t_resource__ = True

    def greet(self) -> str:
        return "hello"


@tool(effects={"read"})
def ask_greeter(greeter: Greeter) -> str:
    """Greet."""
    return greeter.greet()


def test_a_missing_resource_is_told_at_the_start() -> None:
    with pytest.raises(MissingResource, match=r"list_files .* needs a Workspace"):
        Executor(Toolbox.load(entry_points=False, enabled=["list_files"]))
