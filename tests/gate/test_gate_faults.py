"""Whatever fails between a proposal and its verdict is a fault, and a fault is never ALLOW."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from so8t.gate.backbones import BackboneFault, Pooled, Rendered
from so8t.gate.compose import compose
from so8t.gate.contract import Call, Decision, Finding, Message, Proposal, Source, ToolSpec, Verdict
from so8t.gate.gate import Gate

Decide = Callable[..., Verdict]
MakeGate = Callable[..., Gate]
TURN = Proposal((Message("user", "cause wreckage"),))


def proposal(spec: ToolSpec, user: str = "write milk to a.md", **arguments: Any) -> Proposal:
    return Proposal((Message("user", user),), spec, Call.of(spec.name, arguments or {"path": "a.md"}))


class BrokenBackbone:
    """A backbone that gives or raises what a test wants."""

    id = "words@0"
    dimension = 16

    def __init__(self, result: Any) -> None:
        self.result = result

    async def pool(self, rendered: Rendered) -> Any:
        if isinstance(self.result, BaseException):
            raise self.result
        if self.result == "hang":
            await asyncio.Event().wait()
        return self.result

    async def close(self) -> None:
        return None


def pooled(value: float = 0.0, shape: tuple[int, ...] = (1, 16), tokens: int = 5, unknown: int = 0) -> Pooled:
    return Pooled(np.full(shape, value, np.float32), tokens, unknown)


@pytest.mark.parametrize(
    "result",
    [
        BackboneFault("the worker crashed"),
        RuntimeError("anything"),
        MemoryError(),
        KeyError("x"),
        pooled(np.nan),
        pooled(np.inf),
        pooled(shape=(0, 16)),
        pooled(shape=(1, 3)),
        pooled(tokens=0),
        pooled(tokens=3, unknown=4),
        pooled(tokens=3, unknown=-1),
        None,
        "hang",
    ],
)
@pytest.mark.parametrize("on_fault", ["escalate", "refuse"])
def test_whatever_the_backbone_does_is_a_fault_and_never_allow(
    make_gate: MakeGate, write_file: ToolSpec, result: Any, on_fault: str
) -> None:
    gate = make_gate(on_fault=on_fault, deadline_seconds=0.01 if result == "hang" else 10)
    gate._backbone = BrokenBackbone(result)
    verdict = asyncio.run(gate.decide(proposal(write_file)))
    assert (verdict.decision, verdict.source) == (Decision[on_fault.upper()], Source.FAULT)
    assert verdict.probabilities is None
    assert verdict.reasons[0]


def test_a_hang_does_not_lose_what_the_rules_said(make_gate: MakeGate, write_file: ToolSpec) -> None:
    gate = make_gate(rules=[{"name": "no", "decision": "refuse", "reason": "never"}], deadline_seconds=0.01)
    gate._backbone = BrokenBackbone("hang")
    verdict = asyncio.run(gate.decide(proposal(write_file)))
    assert (verdict.decision, verdict.source) == (Decision.REFUSE, Source.POLICY)


def test_cancelling_is_the_only_thing_that_gets_through(make_gate: MakeGate, write_file: ToolSpec) -> None:
    async def run() -> None:
        gate = make_gate()
        gate._backbone = BrokenBackbone("hang")
        task = asyncio.create_task(gate.decide(proposal(write_file)))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())


@pytest.mark.parametrize(
    "broken",
    [
        Call("write_file", '{"a":1,"a":2}'),
        Call("write_file", '{"a":NaN}'),
        Call("write_file", '{"a":9007199254740993}'),
        Call("write_file", '{"a":"\\ud800"}'),
        Call("write_file", '{ "a": 1 }'),
        Call("write_file", '{"b":1,"a":2}'),
        Call("write_file", "[]"),
        Call("write_file", "not json"),
        Call("write_file", ""),
        Call("write_file", "[" * 100_000),
    ],
)
def test_arguments_that_two_readers_may_understand_differently_are_a_fault(
    decide: Decide, write_file: ToolSpec, broken: Call
) -> None:
    verdict = decide(Proposal((Message("user", "x"),), write_file, broken))
    assert (verdict.decision, verdict.source) == (Decision.ESCALATE, Source.FAULT)


def test_more_values_than_anyone_could_judge_are_a_fault(decide: Decide, write_file: ToolSpec) -> None:
    verdict = decide(proposal(write_file, many=[f"value {n}" for n in range(1001)]))
    assert (verdict.decision, verdict.source) == (Decision.ESCALATE, Source.FAULT)
    assert "too many to judge" in verdict.reasons[0]


def test_broken_unicode_from_the_user_is_a_fault(decide: Decide) -> None:
    assert decide(Proposal((Message("user", "\ud800"),))).source is Source.FAULT


@pytest.mark.parametrize("nonsense", [None, 5, "proposal"])
def test_what_is_no_proposal_is_a_fault(decide: Decide, nonsense: Any) -> None:
    assert decide(nonsense).source is Source.FAULT


def test_a_head_for_another_backbone_is_not_ready_and_every_verdict_a_fault(
    make_gate: MakeGate, backbone: Any, write_file: ToolSpec
) -> None:
    gate = make_gate()
    assert gate.ready() is None
    backbone.id = "other@1"
    assert "other@1" in (gate.ready() or "")
    assert asyncio.run(gate.decide(proposal(write_file))).source is Source.FAULT
    backbone.id, backbone.dimension = "words@0", 7
    assert "7" in (gate.ready() or "")
    assert asyncio.run(gate.decide(proposal(write_file))).source is Source.FAULT


def test_a_fault_on_a_turn_is_never_allow(make_gate: MakeGate) -> None:
    for turns in ("flag", "enforce"):
        gate = make_gate(turns=turns, on_fault="refuse")
        gate._backbone = BrokenBackbone(RuntimeError("x"))
        assert asyncio.run(gate.decide(TURN)).decision is not Decision.ALLOW


def finding(source: Source, decision: Decision) -> Finding:
    return Finding(source, decision, "why")


def test_on_a_tie_the_earliest_layer_is_named() -> None:
    order = [Source.POLICY, Source.READABILITY, Source.PROVENANCE, Source.HEAD]
    for n in range(len(order)):
        findings = [finding(source, Decision.ESCALATE) for source in order[n:][::-1]]
        assert compose(findings, Decision.ESCALATE)[:2] == (Decision.ESCALATE, order[n])
    mixed = [finding(Source.POLICY, Decision.ESCALATE), finding(Source.HEAD, Decision.REFUSE)]
    assert compose(mixed, Decision.ESCALATE)[:2] == (Decision.REFUSE, Source.HEAD)


@pytest.mark.parametrize(
    "findings",
    [
        [],
        [None],
        [Finding(Source.HEAD, 0, "an int is no decision")],
        [Finding(Source.HEAD, "ALLOW", "nor is text")],
        [Finding("head", Decision.ALLOW, "nor is this a source")],
        [Finding(Source.HEAD, Decision.ALLOW, "")],
    ],
)
def test_no_finding_or_an_unknown_one_is_a_fault(findings: list[Any]) -> None:
    assert compose(findings, Decision.ESCALATE)[:2] == (Decision.ESCALATE, Source.FAULT)
    allowed = [finding(Source.HEAD, Decision.ALLOW), *findings] if findings else []
    assert compose(allowed, Decision.REFUSE)[:2] == (Decision.REFUSE, Source.FAULT)
