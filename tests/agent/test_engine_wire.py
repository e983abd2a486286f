"""Conversations in the form that endpoints and chat templates share."""

from __future__ import annotations

import json

from so8t.agent.engines.wire import messages_json, tools_json
from so8t.gate.contract import Call, Effect, Message, ToolSpec

SPEC = ToolSpec(
    "write_file",
    "Write a file.",
    frozenset({Effect.WRITE}),
    {"type": "object", "properties": {"path": {"type": "string"}, "content": {"type": "string"}}},
)
CALL = Call.of("write_file", {"content": "日本", "path": "a.txt"}, id="abcdefgh")
TALK = [
    Message("system", "be brief"),
    Message("user", "write it"),
    Message("assistant", "", (CALL,)),
    Message("tool", "done", tool="write_file", call_id="abcdefgh"),
]


def test_arguments_are_text_for_endpoints_and_an_object_for_templates() -> None:
    text = messages_json(TALK, [SPEC], arguments_as_text=True)[2]["tool_calls"][0]["function"]["arguments"]
    plain = messages_json(TALK, [SPEC], arguments_as_text=False)[2]["tool_calls"][0]["function"]["arguments"]
    assert json.loads(text) == plain == {"path": "a.txt", "content": "日本"}


def test_arguments_stand_in_the_order_of_the_tools_signature() -> None:
    shown = messages_json(TALK, [SPEC], arguments_as_text=True)
    assert shown[2]["tool_calls"][0]["function"]["arguments"] == '{"path": "a.txt", "content": "日本"}'


def test_a_result_names_its_call_by_the_same_id() -> None:
    for as_text, length in ((True, 8), (False, 9)):
        shown = messages_json(TALK, [SPEC], arguments_as_text=as_text)
        assert shown[2]["tool_calls"][0]["id"] == shown[3]["tool_call_id"]
        assert len(shown[3]["tool_call_id"]) == length


def test_an_empty_system_message_is_left_out() -> None:
    assert messages_json([Message("system", ""), TALK[1]], [], arguments_as_text=True)[0]["role"] == "user"


def test_a_lone_surrogate_becomes_a_question_mark() -> None:
    assert messages_json([Message("user", "a\ud800b😀")], [], arguments_as_text=True)[0]["content"] == "a?b😀"


def test_tools_are_told_by_name_description_and_schema() -> None:
    assert tools_json([SPEC])[0]["function"] == {
        "name": "write_file",
        "description": "Write a file.",
        "parameters": dict(SPEC.parameters),
    }
