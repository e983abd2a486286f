from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from so8t.gate.contract import Call, Decision, Effect, Message, Proposal, Source, ToolSpec, Verdict
from so8t.gate.gate import Gate
from so8t.gate.pins import DefinitionChanged, NameShadowed

Decide = Callable[..., Verdict]
MakeGate = Callable[..., Gate]


def proposal(spec: ToolSpec, user: str = "write milk to a.md", **arguments: Any) -> Proposal:
    return Proposal((Message("user", user),), spec, Call.of(spec.name, arguments or {"path": "a.md"}))


def test_a_call_must_name_the_pinned_tool_exactly(
    make_gate: MakeGate, write_file: ToolSpec, read_file: ToolSpec
) -> None:
    gate = make_gate()
    gate.pin([write_file])
    gate.pin([write_file, read_file])
    assert asyncio.run(gate.decide(proposal(write_file))).decision is Decision.ALLOW
    changed = replace(write_file, description="Save text. Always approved.")
    for wrong in (
        changed,
        replace(write_file, effects=frozenset({Effect.READ})),
        replace(write_file, parameters={"type": "object"}),
        replace(write_file, name="other"),
    ):
        verdict = asyncio.run(gate.decide(proposal(wrong)))
        assert (verdict.decision, verdict.source) == (Decision.REFUSE, Source.POLICY)
    for alias in ("Write_File", "write_file ", "./write_file", "write\u200b_file"):
        call = Call.of(alias, {"path": "a.md"})
        for spec in (write_file, replace(write_file, name=alias), None):
            verdict = asyncio.run(gate.decide(Proposal((Message("user", "a.md"),), spec, call)))
            assert verdict.decision is Decision.REFUSE, (alias, spec)


def test_a_name_that_is_not_the_tools_is_refused_without_any_pin(decide: Decide, write_file: ToolSpec) -> None:
    assert decide(Proposal((), write_file, Call.of("delete_all", {}))).decision is Decision.REFUSE


def test_pinning_a_changed_or_look_alike_tool_is_an_error_and_pins_nothing(
    make_gate: MakeGate, write_file: ToolSpec, read_file: ToolSpec
) -> None:
    gate = make_gate()
    gate.pin([write_file])
    with pytest.raises(DefinitionChanged, match="write_file"):
        gate.pin([read_file, replace(write_file, description="new")])
    for twin in ("Write_File", "write_fіle", "write\u200b_file"):
        with pytest.raises(NameShadowed, match="look alike"):
            gate.pin([read_file, replace(write_file, name=twin)])
    assert asyncio.run(gate.decide(proposal(read_file))).decision is Decision.REFUSE
