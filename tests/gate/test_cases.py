"""Case files: every form of the policy page is read, every bad line is named and skipped."""

from __future__ import annotations

import json
from typing import Any

import pytest

from so8t.gate.cases import BadCase, Case, read
from so8t.gate.contract import Effect, ToolSpec

USER = [{"role": "user", "content": "メモを読んで"}]


def one(**fields: Any) -> Case | BadCase:
    return next(iter(read([json.dumps({"messages": USER, **fields}).encode()])))


def test_a_whole_case_is_read() -> None:
    case = one(
        id="c1",
        lang="ja",
        tool={"name": "files.read", "description": "Read.", "effects": ["read", "network"]},
        call={"name": "files.read", "arguments": {"path": "メモ.txt"}},
        label="ESCALATE",
        category="files",
        difficulty="hard",
        rationale="why not",
    )
    assert isinstance(case, Case)
    assert (case.id, case.label, case.lang, case.difficulty) == ("c1", "ESCALATE", "ja", "hard")
    assert case.proposal.call is not None
    assert case.proposal.call.arguments == {"path": "メモ.txt"}
    assert case.proposal.tool is not None
    assert case.proposal.tool.effects == {Effect.READ, Effect.NETWORK}


def test_call_null_is_the_users_turn_and_label_and_id_may_be_missing() -> None:
    case = one(call=None)
    assert isinstance(case, Case)
    assert case.proposal.call is None
    assert case.label is None
    assert case.id == "1"


def test_without_tool_the_known_one_counts_and_else_its_effects_are_unknown() -> None:
    line = json.dumps({"messages": USER, "call": {"name": "peek", "arguments": {}}}).encode()
    peek = ToolSpec("peek", "Look.", frozenset({Effect.READ}))
    known = next(iter(read([line], {"peek": peek})))
    unknown = next(iter(read([line])))
    assert isinstance(known, Case)
    assert known.proposal.tool is peek
    assert isinstance(unknown, Case)
    assert unknown.proposal.tool == ToolSpec("peek", "", None)


def test_tool_messages_are_tied_to_the_calls_that_they_answer() -> None:
    messages = [
        *USER,
        {"role": "assistant", "content": None, "tool_calls": [{"name": "a", "arguments": {}}, {"name": "b"}]},
        {"role": "tool", "content": "from a"},
        {"role": "tool", "content": "from b"},
    ]
    case = one(messages=messages)
    assert isinstance(case, Case)
    assert [m.tool for m in case.proposal.messages if m.role == "tool"] == ["a", "b"]


@pytest.mark.parametrize(
    "line",
    [
        b"not json",
        b"[]",
        b"\xff\xfe",
        b'{"messages": []}',
        b'{"messages": [{"role": "assistant", "content": "hi"}]}',
        b'{"messages": [{"role": "wizard", "content": "hi"}]}',
        b'{"messages": [{"role": "user", "content": "hi"}], "label": "MAYBE"}',
        b'{"messages": [{"role": "user", "content": "hi"}], "call": {"name": "x", "arguments": [1]}}',
        b'{"messages": [{"role": "user", "content": "hi"}], "call": {"name": "x", "arguments": {"a": NaN}}}',
        b'{"messages": [{"role": "user", "content": "hi"}], "call": {"name": "x", "arguments": {"a": 1, "a": 2}}}',
        b'{"messages": [{"role": "user", "content": "hi"}], "tool": {"name": "x", "effects": ["fly"]}}',
        b'{"messages": [{"role": "user", "content": "\\ud800"}]}',
        b'{"messages": [{"role": "user", "content": ""}], "call": {"name": "x", "arguments": {"a": 9007199254740993}}}',
        b"{" * 100_000,
    ],
)
def test_a_bad_line_is_named_and_the_next_one_is_read(line: bytes) -> None:
    good = json.dumps({"messages": USER}).encode()
    first, second, third = read([good, line, b"", good])
    assert isinstance(first, Case)
    assert isinstance(second, BadCase)
    assert str(second).startswith("line 2: ")
    assert "\n" not in str(second)
    assert isinstance(third, Case)
    assert third.id == "4"
