"""While an answer grows, text is shown as soon as it is surely text; calls and reasoning never are."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from so8t.agent.engines.call_format import FALLBACK, CallFormat
from so8t.agent.engines.streaming import Visible

LLAMA3 = CallFormat('{"name": "', '", "parameters": ', None, "}")
CALL = '<tool_call>\n{"name": "f", "arguments": {"a": "secret"}}\n</tool_call>'


def streamed(answer: str, cuts: list[int], form: CallFormat = FALLBACK, thinking: bool = False) -> tuple[str, Visible]:
    """All that is shown of an answer that comes in pieces."""
    visible = Visible(form, thinking=thinking)
    edges = [0, *sorted(cut % (len(answer) + 1) for cut in cuts), len(answer)]
    shown = "".join(visible.add(answer[a:b]) for a, b in pairwise(edges))
    return shown + visible.finish(), visible


cut_lists = st.lists(st.integers(0, 300), max_size=12)
texts = st.text(alphabet='ab <>/{}\n"日') | st.sampled_from(["", "<", "<think", "<thinking>", "<tool_cal", '{"nam'])


@given(texts, st.booleans(), st.sampled_from(["", CALL, CALL[:-5], CALL[:14], CALL * 2]), cut_lists)
def test_what_is_shown_is_the_replys_text_and_no_part_of_a_call_or_a_thought(
    text: str, thought: bool, call: str, cuts: list[int]
) -> None:
    answer = ("<think>hidden</think>\n" if thought else "") + text + call
    shown, visible = streamed(answer, cuts)
    assert shown == visible.reply()[0]
    assert "secret" not in shown
    assert "hidden" not in shown
    assert CALL[:12] not in shown


@given(st.text(), cut_lists)
def test_any_answer_without_calls_is_shown_whole_but_for_the_space_around_it(text: str, cuts: list[int]) -> None:
    shown, _ = streamed("x" + text, cuts)
    assert shown == ("x" + text).rstrip()


@given(st.text(alphabet='<tool_call>{}[]"name: ,\nthink/'), cut_lists, st.booleans())
def test_it_makes_no_difference_where_the_pieces_are_cut(answer: str, cuts: list[int], thinking: bool) -> None:
    one, at_once = streamed(answer, [], thinking=thinking)
    other, in_pieces = streamed(answer, cuts, thinking=thinking)
    assert (one, at_once.reply()) == (other, in_pieces.reply())


def test_text_is_shown_at_once_and_a_possible_opening_is_held_back() -> None:
    visible = Visible(FALLBACK)
    assert visible.add("Hello") == "Hello"
    assert visible.add(", a <") == ", a"
    assert visible.add("b>") == " <b>"
    assert visible.add(" <tool_call>") == ""
    assert visible.add("\n{") == ""


def test_the_call_so_far_is_told_from_the_moment_on_that_its_trigger_is_complete() -> None:
    visible = Visible(FALLBACK)
    visible.add("So: <tool_ca")
    assert visible.call() == ""
    visible.add("ll>\n{")
    assert visible.call() == "<tool_call>\n{"


def test_a_call_inside_a_thought_is_no_call() -> None:
    shown, visible = streamed(f"<think>perhaps {CALL}</think>No.", [3, 40])
    assert shown == "No."
    assert visible.reply() == ("No.", (), True)


def test_a_thought_that_the_prompt_opened_is_not_shown() -> None:
    assert streamed("hidden</think>\n\nThe answer.", [2, 9, 20], thinking=True)[0] == "The answer."


def test_a_thought_that_never_ends_shows_nothing() -> None:
    assert streamed("<think>and on and on", [2, 9])[0] == ""


@pytest.mark.parametrize("answer", ["<", "<thin", "<tool_call", " <tool"])
def test_an_answer_that_ends_like_the_start_of_something_is_text(answer: str) -> None:
    assert streamed(answer, [1])[0] == answer.strip()


def test_plain_json_is_a_call_only_at_the_start() -> None:
    assert streamed('{"name": "f", "parameters": {}}', [1, 5, 9], LLAMA3)[0] == ""
    assert streamed('so {"name": "f", "parameters": {}}', [1, 5, 9], LLAMA3)[0] == 'so {"name": "f", "parameters": {}}'
