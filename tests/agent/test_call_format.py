"""Calls are read back out of what a model wrote, whatever it wrote."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from so8t.agent.engines import ProposedCall
from so8t.agent.engines.call_format import FALLBACK, CallFormat

LLAMA3 = CallFormat('{"name": "', '", "parameters": ', None, "}")
MISTRAL = CallFormat('[TOOL_CALLS] [{"name": "', '", "arguments": ', ', "id": "\0"}, {"name": "', ', "id": "\0"}]')
MINI = CallFormat('<tool_call>{"name": "', '", "arguments": ', '}</tool_call><tool_call>{"name": "', "}</tool_call>")
ID_FIRST = CallFormat('[{"id": "\0", "name": "', '", "input": ', '}, {"id": "\0", "name": "', "}]")
FORMS = [FALLBACK, LLAMA3, MISTRAL, MINI, ID_FIRST]

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
calls = st.lists(
    st.tuples(st.from_regex(r"[a-z_]{1,20}", fullmatch=True), st.dictionaries(st.text(), values, max_size=4)),
    min_size=1,
    max_size=4,
)


def written(form: CallFormat, wanted: list[tuple[str, Any]], compact: bool = False) -> str:
    """The calls as a model writes them in this format."""
    bodies = [f"{name}{form.middle}{json.dumps(arguments, ensure_ascii=False)}" for name, arguments in wanted]
    text = form.before + (form.between or "").join(bodies) + form.after
    return text.replace("\0", "abc123XYZ")


@given(st.sampled_from(FORMS), calls, st.sampled_from(["", " ", "\n"]))
def test_every_list_of_calls_is_read_back_as_it_was_written(form: CallFormat, wanted: Any, space: str) -> None:
    wanted = wanted if form.between is not None else wanted[:1]
    text, found, readable = form.split(space + written(form, wanted))
    assert (text.strip(), readable) == ("", True)
    assert [(call.name, json.loads(call.arguments)) for call in found] == wanted


@given(calls)
def test_white_space_between_the_parts_of_a_call_does_not_matter(wanted: Any) -> None:
    loose = written(FALLBACK, wanted).replace('{"name": "', '{"name":"').replace("\n", "")
    found = FALLBACK.split(loose)[1]
    assert [call.name for call in found] == [name for name, _ in wanted]
    assert FALLBACK.split(written(MINI, wanted))[1] == MINI.split(written(MINI, wanted))[1]


@given(st.sampled_from(FORMS), st.text() | st.text(alphabet='<tool_call>{}[]"name: ,\n\\'))
def test_no_text_at_all_makes_the_parser_fail(form: CallFormat, text: str) -> None:
    before, found, readable = form.split(text)
    assert text.startswith(before)
    assert not (found and not readable)


@given(st.sampled_from(FORMS), calls, st.data())
def test_a_call_that_was_cut_off_is_no_call(form: CallFormat, wanted: Any, data: st.DataObject) -> None:
    wanted = wanted if form.between is not None else wanted[:1]
    whole = written(form, wanted)
    cut = whole[: data.draw(st.integers(0, len(whole) - 1))]
    found = [(call.name, json.loads(call.arguments)) for call in form.split(cut)[1]]
    assert found == wanted[: len(found)]
    assert len(found) < len(wanted)


@given(calls, st.text(alphabet="abc .,\n日本"))
def test_text_before_a_call_is_kept_apart_from_it(wanted: Any, text: str) -> None:
    before, found, _ = FALLBACK.split(text + written(FALLBACK, wanted))
    assert before == text
    assert len(found) == len(wanted)


def test_plain_json_in_the_middle_of_an_answer_is_no_call() -> None:
    text = 'Such a call looks like {"name": "read_file", "parameters": {}}'
    assert LLAMA3.split(text) == (text, (), True)


def test_a_call_in_plain_json_may_follow_white_space() -> None:
    assert LLAMA3.split(' \n{"name": "f", "parameters": {}}')[1] == (ProposedCall("f", "{}"),)


@pytest.mark.parametrize(
    "text", ["a <b> c", "the tag <tool_call> is special", "<tool_call>, that is", "x < y", "ends with <tool"]
)
def test_a_text_about_calls_is_text(text: str) -> None:
    assert FALLBACK.split(text) == (text, (), True)


def test_a_call_after_a_text_about_calls_is_found() -> None:
    text = "The tag <tool_call> comes first: "
    assert FALLBACK.split(text + written(FALLBACK, [("f", {})])) == (text, (ProposedCall("f", "{}"),), True)


@pytest.mark.parametrize("bad", ["{", '{"a": }', "nonsense", '{"a": ' + "[" * 100_000, "9" * 5000 + "x"])
def test_a_call_whose_arguments_are_no_json_is_unreadable(bad: str) -> None:
    assert FALLBACK.split(f"so: {FALLBACK.before}f{FALLBACK.middle}{bad}") == ("so: ", (), False)


def test_one_unreadable_call_leaves_none() -> None:
    good = written(FALLBACK, [("f", {})])
    assert FALLBACK.split(good + '\n<tool_call>\n{"name": "g"') == ("", (), False)


def test_words_between_two_calls_do_not_hide_the_second() -> None:
    one = written(FALLBACK, [("f", {})])
    assert FALLBACK.split(f"{one}\nand then\n{one}") == ("", (ProposedCall("f", "{}"),) * 2, True)


def test_what_the_arguments_hold_is_not_judged_here() -> None:
    odd = '{"a": 1, "a": NaN}'
    assert FALLBACK.split(f"{FALLBACK.before}f{FALLBACK.middle}{odd}{FALLBACK.after}")[1] == (ProposedCall("f", odd),)
