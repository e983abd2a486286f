"""so8t.gate.worker with real child processes that crash, hang, lie and die."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from so8t.gate.worker import (
    Backoff,
    RemoteError,
    Worker,
    WorkerBackingOff,
    WorkerClosed,
    WorkerCrashed,
    WorkerError,
    WorkerStartFailed,
    WorkerTimeout,
    pack,
    unpack,
)
from so8t.gate.worker.environment import child_environment

HERE = Path(__file__).parent
LONG = 60.0  # seconds; never waited for where the code is right


@pytest.fixture(autouse=True)
def services(monkeypatch: pytest.MonkeyPatch) -> None:
    """The child finds worker_services.py."""
    monkeypatch.syspath_prepend(str(HERE))


class Clock:
    """Time that moves when told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@asynccontextmanager
async def bench(factory: str = "Bench", **options: Any) -> AsyncIterator[Worker]:
    service_options = options.pop("service", {})
    worker = Worker(f"worker_services:{factory}", service_options, name="bench", **options)
    try:
        yield worker
    finally:
        await worker.close()


def run(test: Callable[[Worker], Coroutine[Any, Any, None]], factory: str = "Bench", **options: Any) -> None:
    async def inner() -> None:
        async with bench(factory, **options) as worker:
            await test(worker)

    asyncio.run(inner())


def gone(pid: int) -> bool:
    """Whether the process is dead (a zombie that init did not collect yet counts as dead)."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text(encoding="utf-8").rsplit(")", 1)[1].split()[0] == "Z"


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(LONG):
        while not condition():  # noqa: ASYNC110 - another process's death has no event to wait for
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("value", [None, "日本語 🙂 \x00", {"a": [1, 2.5, True]}, "x" * 3_000_000])
def test_a_value_goes_there_and_back(value: Any) -> None:
    async def test(worker: Worker) -> None:
        assert await worker.call("echo", value, timeout=LONG) == value

    run(test)


@given(arrays(np.float32, array_shapes(min_dims=0, max_dims=3), elements=st.floats(width=32)))
def test_every_float32_array_survives_packing_bit_for_bit(array: Any) -> None:
    copy = unpack(pack(array))
    assert copy.shape == array.shape
    assert copy.tobytes() == np.ascontiguousarray(array).tobytes()


def test_arrays_cross_the_pipe_and_nan_stays_nan() -> None:
    async def test(worker: Worker) -> None:
        array = np.arange(6, dtype=np.float32).reshape(2, 3)
        assert np.array_equal(unpack(await worker.call("array", pack(array), timeout=LONG)), array * 2)
        strange = unpack(await worker.call("nan", None, timeout=LONG))
        assert np.isnan(strange[0])
        assert np.isinf(strange[1])

    run(test)


def test_an_exception_of_the_service_is_a_remote_error_and_the_process_lives_on() -> None:
    async def test(worker: Worker) -> None:
        before = await worker.call("pid", None, timeout=LONG)
        with pytest.raises(RemoteError, match="no such thing") as caught:
            await worker.call("fail", "no such thing", timeout=LONG)
        assert caught.value.kind == "LookupError"
        assert await worker.call("pid", None, timeout=LONG) == before

    run(test)


def test_only_the_listed_methods_can_be_called() -> None:
    async def test(worker: Worker) -> None:
        for name in ("hidden", "__init__", "_folder", "missing"):
            with pytest.raises(RemoteError, match="the methods are abort, array"):
                await worker.call(name, None, timeout=LONG)

    run(test)


def test_a_value_that_json_cannot_carry_is_an_error_and_disturbs_nothing() -> None:
    async def test(worker: Worker) -> None:
        with pytest.raises(WorkerError, match="not a JSON value"):
            await worker.call("echo", {"bytes": b"x"}, timeout=LONG)
        assert await worker.call("echo", 1, timeout=LONG) == 1

    run(test)


def test_an_abort_names_the_signal_and_the_last_line_without_control_characters() -> None:
    async def test(worker: Worker) -> None:
        with pytest.raises(WorkerCrashed, match=r"SIGABRT.*this file is") as caught:
            await worker.call("abort", None, timeout=LONG)
        assert "\x1b" not in str(caught.value)

    run(test)


def test_a_long_last_line_is_cut() -> None:
    async def test(worker: Worker) -> None:
        with pytest.raises(WorkerCrashed, match="xxx") as caught:
            await worker.call("long_line", 2_000_000, timeout=LONG)
        assert len(str(caught.value)) < 1000

    run(test)


def test_an_exit_names_the_code() -> None:
    async def test(worker: Worker) -> None:
        with pytest.raises(WorkerCrashed, match="exit code 3"):
            await worker.call("leave", 3, timeout=LONG)

    run(test)


def test_a_memory_error_ends_the_process_and_says_so() -> None:
    async def test(worker: Worker) -> None:
        before = await worker.call("pid", None, timeout=LONG)
        with pytest.raises(WorkerCrashed, match="out of memory"):
            await worker.call("exhaust", None, timeout=LONG)
        assert await worker.call("pid", None, timeout=LONG) != before

    run(test)


def test_a_kill_from_outside_hints_at_memory() -> None:
    async def test(worker: Worker) -> None:
        pid = await worker.call("pid", None, timeout=LONG)
        hanging = asyncio.create_task(worker.call("hang", None, timeout=LONG))
        await asyncio.sleep(0)
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(WorkerCrashed, match=r"SIGKILL .*memory"):
            await hanging

    run(test)


def test_a_hang_is_killed_at_the_deadline() -> None:
    async def test(worker: Worker) -> None:
        pid = await worker.call("pid", None, timeout=LONG)
        with pytest.raises(WorkerTimeout, match=r"0\.2 s"):
            await worker.call("hang", None, timeout=0.2)
        assert gone(pid)
        assert await worker.call("echo", "again", timeout=LONG) == "again"

    run(test)


@pytest.mark.skipif(sys.platform == "win32", reason="fork is POSIX")
def test_a_grandchild_that_holds_the_pipes_open_does_not_outlive_the_deadline(tmp_path: Path) -> None:
    async def test(worker: Worker) -> None:
        with pytest.raises(WorkerTimeout):
            await worker.call("leave_grandchild", None, timeout=1.0)
        grandchild = int((tmp_path / "grandchild").read_text(encoding="ascii"))
        await until(lambda: gone(grandchild))
        assert await worker.call("echo", 1, timeout=LONG) == 1

    run(test, service={"folder": str(tmp_path)})


def test_a_library_that_prints_to_stdout_does_not_break_the_frames() -> None:
    async def test(worker: Worker) -> None:
        for value in range(3):
            assert await worker.call("noise", value, timeout=LONG) == value

    run(test)


@pytest.mark.parametrize(
    "data", ["\xff\xff\xff\xff", "\x00\x00\x00\x02[]", "\x00\x00\x00\x03{,}", '\x00\x00\x00\x08{"id":0}']
)
def test_a_child_that_speaks_nonsense_is_killed(data: str) -> None:
    async def test(worker: Worker) -> None:
        pid = await worker.call("pid", None, timeout=LONG)
        with pytest.raises(WorkerCrashed, match="broken output"):
            await worker.call("speak_nonsense", data, timeout=LONG)
        assert gone(pid)

    run(test)


def test_callers_at_the_same_time_are_served_one_after_another() -> None:
    async def test(worker: Worker) -> None:
        values = await asyncio.gather(*(worker.call("echo", n, timeout=LONG) for n in range(50)))
        assert values == list(range(50))

    run(test)


def test_a_waiter_that_gives_up_does_not_disturb_the_others() -> None:
    async def test(worker: Worker) -> None:
        before = await worker.call("pid", None, timeout=LONG)
        tasks = [asyncio.create_task(worker.call("echo", n, timeout=LONG)) for n in range(20)]
        await asyncio.sleep(0)
        for task in tasks[1::2]:
            task.cancel()
        await asyncio.wait(tasks)
        assert [task.result() for task in tasks[::2]] == list(range(0, 20, 2))
        assert all(task.cancelled() for task in tasks[1::2])
        assert await worker.call("pid", None, timeout=LONG) == before

    run(test)


def test_a_cancelled_call_is_answered_into_the_void_and_the_process_is_kept() -> None:
    async def test(worker: Worker) -> None:
        before = await worker.call("pid", None, timeout=LONG)
        task = asyncio.create_task(worker.call("echo", "x" * 5_000_000, timeout=LONG))
        for _ in range(3):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await worker.call("pid", None, timeout=LONG) == before

    run(test)


def test_a_caller_that_gives_up_during_the_start_does_not_stop_the_start() -> None:
    async def test(worker: Worker) -> None:
        task = asyncio.create_task(worker.start())
        await asyncio.sleep(0.01)  # early or late in the start: the test holds for each moment
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await worker.call("echo", 1, timeout=LONG) == 1

    run(test)


def test_a_stream_yields_every_item_and_then_ends() -> None:
    async def test(worker: Worker) -> None:
        assert [n async for n in worker.stream("count", 1000, timeout=LONG)] == list(range(1000))
        assert await worker.call("echo", 1, timeout=LONG) == 1

    run(test)


def test_closing_a_stream_stops_the_generator_and_keeps_the_process() -> None:
    async def test(worker: Worker) -> None:
        before = await worker.call("pid", None, timeout=LONG)
        async with aclosing(worker.stream("count", 10**9, timeout=LONG)) as stream:  # type: ignore[type-var]
            async for n in stream:
                if n == 5:
                    break
        assert await worker.call("cancelled", None, timeout=LONG)
        assert await worker.call("pid", None, timeout=LONG) == before

    run(test)


def test_cancelling_the_task_that_reads_a_stream_stops_the_generator() -> None:
    async def test(worker: Worker) -> None:
        seen = asyncio.Event()

        async def read() -> None:
            async for _ in worker.stream("count", 10**9, timeout=LONG):
                seen.set()

        task = asyncio.create_task(read())
        await seen.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await worker.call("cancelled", None, timeout=LONG)

    run(test)


def test_a_generator_that_does_not_stop_is_killed_after_the_grace_time() -> None:
    async def test(worker: Worker) -> None:
        before = await worker.call("pid", None, timeout=LONG)
        async with aclosing(worker.stream("stubborn", None, timeout=LONG)) as stream:  # type: ignore[type-var]
            assert await anext(stream) == 1
        assert await worker.call("pid", None, timeout=LONG) != before
        assert gone(before)

    run(test, grace=0.1)


def test_the_deadline_of_a_stream_is_for_each_item() -> None:
    async def test(worker: Worker) -> None:
        stream = worker.stream("stubborn", None, timeout=0.3)
        assert await anext(stream) == 1
        with pytest.raises(WorkerTimeout):
            await anext(stream)

    run(test)


def test_one_crash_is_followed_by_an_immediate_restart(tmp_path: Path) -> None:
    async def test(worker: Worker) -> None:
        with pytest.raises(WorkerCrashed):
            await worker.call("crash_once", None, timeout=LONG)
        assert await worker.call("crash_once", None, timeout=LONG) == "recovered"

    run(test, service={"folder": str(tmp_path)}, clock=Clock())


def test_a_process_that_keeps_dying_is_left_alone_for_longer_and_longer() -> None:
    clock = Clock()

    async def test(worker: Worker) -> None:
        async def die() -> None:
            with pytest.raises(WorkerCrashed):
                await worker.call("abort", None, timeout=LONG)

        await die()
        await die()
        for wait in (1.0, 2.0, 4.0, 5.0, 5.0):
            with pytest.raises(WorkerBackingOff) as caught:
                await worker.call("echo", 1, timeout=LONG)
            assert caught.value.seconds == wait
            clock.now += wait
            await die()

    run(test, clock=clock, backoff=Backoff(first=1.0, longest=5.0))


def test_a_success_resets_the_back_off() -> None:
    clock = Clock()

    async def test(worker: Worker) -> None:
        for _ in range(3):
            for _ in range(2):
                with pytest.raises(WorkerCrashed):
                    await worker.call("abort", None, timeout=LONG)
            clock.now += 1.0
            assert await worker.call("echo", 1, timeout=LONG) == 1

    run(test, clock=clock, backoff=Backoff(first=1.0))


def test_a_death_between_two_requests_is_noticed_and_mended() -> None:
    async def test(worker: Worker) -> None:
        pid = await worker.call("pid", None, timeout=LONG)
        process = worker._process
        assert process is not None
        os.kill(pid, signal.SIGKILL)
        await until(lambda: not process.running)
        assert await worker.call("pid", None, timeout=LONG) != pid

    run(test)


@pytest.mark.parametrize(
    ("factory", "message"),
    [
        ("refuses", "ValueError: no such model file: 模型.gguf"),
        ("aborts", "SIGABRT.*bad magic"),
        ("no_such_factory", "AttributeError"),
    ],
)
def test_a_failed_start_says_why(factory: str, message: str) -> None:
    async def test(worker: Worker) -> None:
        for _ in range(2):
            with pytest.raises(WorkerStartFailed, match=message):
                await worker.start()
        with pytest.raises(WorkerBackingOff):
            await worker.start()

    run(test, factory, clock=Clock())


def test_a_start_that_takes_too_long_is_killed() -> None:
    async def test(worker: Worker) -> None:
        with pytest.raises(WorkerStartFailed, match=r"within 0\.5 s"):
            await worker.start()

    run(test, "never_ready", start_timeout=0.5)


def test_close_ends_the_process_and_every_request_and_may_be_called_twice() -> None:
    async def test(worker: Worker) -> None:
        pid = await worker.call("pid", None, timeout=LONG)
        tasks = [asyncio.create_task(worker.call("hang", None, timeout=LONG)) for _ in range(3)]
        await asyncio.sleep(0)
        await worker.close()
        await worker.close()
        assert gone(pid)
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(result, WorkerClosed) for result in results)

    run(test)


def test_close_during_the_start_leaves_nothing_behind() -> None:
    async def test(worker: Worker) -> None:
        task = asyncio.create_task(worker.start())
        await asyncio.sleep(0.05)  # early or late in the start: the test holds for each moment
        await worker.close()
        with pytest.raises(WorkerClosed):
            await task

    run(test, "never_ready")


@pytest.mark.skipif(sys.platform == "win32", reason="sessions and SIGINT are POSIX")
def test_the_child_ignores_ctrl_c_and_has_a_session_of_its_own() -> None:
    async def test(worker: Worker) -> None:
        pid = await worker.call("pid", None, timeout=LONG)
        os.kill(pid, signal.SIGINT)
        assert await worker.call("signals", None, timeout=LONG) == [True, True]

    run(test)


def test_the_child_inherits_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = ("OPENAI_API_KEY", "GITHUB_TOKEN", "DATABASE_URL", "CUDA_SECRET", "GGML_PASSWORD")
    for name in secrets:
        monkeypatch.setenv(name, "do not leak")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")

    async def test(worker: Worker) -> None:
        seen = await worker.call("environment", None, timeout=LONG)
        assert "do not leak" not in seen.values()
        assert seen["OMP_NUM_THREADS"] == "1"

    run(test)


@given(st.dictionaries(st.text(), st.text()))
def test_no_variable_outside_the_list_passes(variables: dict[str, str]) -> None:
    passed = child_environment({**variables, "MY_API_KEY": "x", "AWS_SESSION_TOKEN": "y"})
    assert not {"MY_API_KEY", "AWS_SESSION_TOKEN"} & passed.keys()


def test_the_working_folder_is_not_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit('planted')", encoding="utf-8")
    monkeypatch.chdir(tmp_path)

    async def test(worker: Worker) -> None:
        assert await worker.call("echo", 1, timeout=LONG) == 1

    run(test)


PARENT = """
import asyncio, os, signal
from so8t.gate.worker import Worker

async def main():
    worker = Worker("worker_services:Bench", {}, name="bench")
    print(await worker.call("pid", None, timeout=60), flush=True)
    ENDING
asyncio.run(main())
"""


@pytest.mark.parametrize(
    "ending",
    [
        "os.kill(os.getpid(), signal.SIGKILL)",
        "task = asyncio.create_task(worker.call('hang', None, timeout=60)); await asyncio.sleep(0.1); "
        "os.kill(os.getpid(), signal.SIGKILL)",
        "os._exit(1)",
        "raise SystemExit(1)",
        "raise RuntimeError('forgot to close')",
    ],
)
def test_a_parent_that_dies_leaves_no_child(ending: str) -> None:
    path = os.pathsep.join(entry for entry in sys.path if entry)
    parent = subprocess.run(
        [sys.executable, "-c", PARENT.replace("ENDING", ending)],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=LONG,
    )
    assert parent.stdout.strip().isdigit(), parent.stderr
    pid = int(parent.stdout)
    asyncio.run(until(lambda: gone(pid)))
