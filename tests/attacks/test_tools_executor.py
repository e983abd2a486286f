"""Attacks on the executor: running without a decision, floods, hangs, secrets in errors."""

from __future__ import annotations

import asyncio
import copy
import pickle
import threading
from typing import Any

import pytest

from so8t.gate.allowed import Allowed, AlreadySpent, Approval, NotAllowed
from so8t.gate.contract import Call, Decision, Finding, Source, Verdict, Versions
from so8t.tools import Executor, Outcome, Toolbox, ToolError, tool

RUNS: list[str] = []


@tool(effects={"write"})
def effect(text: str) -> str:
    """Leave a trace."""
    RUNS.append(text)
    return text


@pytest.fixture(autouse=True)
def no_runs() -> None:
    RUNS.clear()


CALL = Call.of("effect", {"text": "x"})


def verdict(decision: Decision, call: Call = CALL) -> Verdict:
    finding = Finding(Source.HEAD, decision, "because")
    return Verdict(decision, Source.HEAD, (finding,), call.digest, Versions("p", "h", "b", "1"))


def run(allowed: Any) -> Outcome:
    return asyncio.run(Executor(Toolbox([effect])).run(allowed))


@pytest.mark.parametrize("decision", [Decision.ESCALATE, Decision.REFUSE])
def test_only_allow_makes_a_ticket(decision: Decision) -> None:
    with pytest.raises(NotAllowed):
        run(Allowed.by_verdict(CALL, verdict(decision)))
    assert RUNS == []


def test_a_verdict_on_another_call_makes_no_ticket() -> None:
    other = Call.of("effect", {"text": "y"})
    with pytest.raises(NotAllowed):
        run(Allowed.by_verdict(CALL, verdict(Decision.ALLOW, other)))
    with pytest.raises(NotAllowed):
        run(Allowed.by_approval(CALL, Approval("a", other.digest, "me")))
    assert RUNS == []


class Forged:
    call = CALL
    source = Source.HUMAN

    def spend(self) -> Call:
        return CALL


def test_look_alikes_of_a_ticket_are_refused() -> None:
    class Subclass(Allowed):
        def spend(self) -> Call:
            return CALL

    for ticket in (Forged(), object.__new__(Subclass), CALL, verdict(Decision.ALLOW), Decision.ALLOW, True):
        with pytest.raises(TypeError):
            run(ticket)
    assert RUNS == []


def test_a_ticket_made_by_hand_does_not_exist() -> None:
    with pytest.raises(NotAllowed):
        Allowed(CALL, Source.HUMAN)
    with pytest.raises(AttributeError):
        run(object.__new__(Allowed))  # never initialised: nothing to spend
    assert RUNS == []


def test_a_ticket_cannot_be_copied() -> None:
    ticket = Allowed.by_verdict(CALL, verdict(Decision.ALLOW))
    for way in (copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            way(ticket)
    with pytest.raises(TypeError):
        pickle.dumps(ticket)


def test_many_runs_of_one_ticket_at_once_give_one_effect() -> None:
    ticket = Allowed.by_verdict(CALL, verdict(Decision.ALLOW))
    executor = Executor(Toolbox([effect]))

    async def scenario() -> list[object]:
        return await asyncio.gather(*(executor.run(ticket) for _ in range(50)), return_exceptions=True)

    results = asyncio.run(scenario())
    assert RUNS == ["x"]
    assert sum(isinstance(result, AlreadySpent) for result in results) == 49


def allowed(name: str) -> Allowed:
    call = Call.of(name, {})
    return Allowed.by_verdict(call, verdict(Decision.ALLOW, call))


def test_an_output_flood_is_cut() -> None:
    @tool(effects={"read"})
    def flood() -> str:
        """Flood."""
        return "洪水" * 10_000_000

    outcome = asyncio.run(Executor(Toolbox([flood])).run(allowed("flood")))
    assert outcome.truncated
    assert len(outcome.output.encode()) < 20_100


def test_an_exception_whose_text_fails_is_still_an_outcome() -> None:
    class Bad(Exception):
        def __str__(self) -> str:
            raise ValueError("no text")

    class BadToolError(Bad, ToolError):
        pass

    class BadBase(BaseException):
        __str__ = Bad.__str__

    kinds = iter((Bad, BadToolError, BadBase))

    @tool(effects={"read"})
    def fails() -> None:
        """Fail."""
        raise next(kinds)

    for _ in range(3):
        outcome = asyncio.run(Executor(Toolbox([fails])).run(allowed("fails")))
        assert outcome.status == "error"
        assert "its text cannot be read" in outcome.output


def test_a_traceback_and_its_local_values_never_reach_the_model() -> None:
    @tool(effects={"read"})
    def fails() -> None:
        """Fail."""
        password = "hunter2-secret"
        raise RuntimeError("login failed") from ValueError(password)

    outcome = asyncio.run(Executor(Toolbox([fails])).run(allowed("fails")))
    assert outcome.output == "RuntimeError: login failed"


def test_a_hanging_tool_does_not_hold_up_the_others() -> None:
    release = threading.Event()

    @tool(effects={"read"}, timeout=30)
    def hang() -> None:
        """Hang."""
        release.wait()

    async def scenario() -> Outcome:
        executor = Executor(Toolbox([hang, effect]), concurrency=2)
        stuck = asyncio.create_task(executor.run(allowed("hang")))
        outcome = await executor.run(Allowed.by_verdict(CALL, verdict(Decision.ALLOW)))
        assert not stuck.done()
        release.set()
        await stuck
        return outcome

    assert asyncio.run(scenario()).output == "x"


def test_a_tool_that_refuses_to_be_cancelled_is_given_up() -> None:
    release = asyncio.Event()

    @tool(effects={"read"}, timeout=0.01)
    async def stubborn() -> None:
        """Stay."""
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue

    async def scenario() -> Outcome:
        outcome = await Executor(Toolbox([stubborn])).run(allowed("stubborn"))
        release.set()
        return outcome

    outcome = asyncio.run(scenario())
    assert outcome.status == "timeout"
    assert "may still be running" in outcome.output
