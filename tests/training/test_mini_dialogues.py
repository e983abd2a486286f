"""The generated dialogues: values copied exactly, follow-ups that fit, the same seed gives the same text."""

from __future__ import annotations

from itertools import islice, pairwise
from random import Random

import pytest

pytest.importorskip("transformers")

from hypothesis import given, settings  # after importorskip: the extra may be absent
from hypothesis import strategies as st

from so8t.training.mini import chat, phrasing, replies, results, values
from so8t.training.mini.dialogues import Generator, substitute
from so8t.training.mini.surface import utter
from so8t.training.mini.zones import ZONES

LINES = phrasing.read_folder()
BY_HEAD = sorted({item.text: item for item in LINES if item.tool}.values(), key=lambda item: item.text)


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(BY_HEAD), st.integers(0, 10**9))
def test_every_value_stands_in_the_users_words_letter_for_letter(item: phrasing.Phrasing, seed: int) -> None:
    r = Random(seed)
    filled = values.fill(set(item.slots), r)
    said = utter(item.text, filled, r)
    for slot in item.slots:
        assert filled[slot] in said


def test_the_same_seed_gives_the_same_dialogues_and_another_seed_gives_others() -> None:
    first, again, other = ([chat.render(d) for d in islice(Generator(LINES, seed), 200)] for seed in (1, 1, 2))
    assert first == again
    assert len(set(first) & set(other)) < 20


ALLOWED = {
    ("user", "assistant"),
    ("assistant", "tool"),
    ("tool", "tool"),
    ("tool", "assistant"),
    ("assistant", "user"),
}


def test_dialogues_alternate_and_end_with_the_assistant() -> None:
    for dialogue in islice(Generator(LINES, 3), 500):
        roles = [message.role for message in dialogue]
        assert roles[0] == "user"
        assert roles[-1] == "assistant"
        for before, after in pairwise(roles):
            assert (before, after) in ALLOWED


def test_no_slot_is_left_unfilled() -> None:
    for dialogue in islice(Generator(LINES, 4), 2000):
        text = chat.render(dialogue)
        assert not [slot for slot in values.SLOTS if "{" + slot + "}" in text]


def test_every_call_in_a_dialogue_is_well_formed() -> None:
    for dialogue in islice(Generator(LINES, 5), 1000):
        for message in dialogue:
            if message.calls:
                read = chat.parse_calls("".join(call.text() for call in message.calls))
                assert [(call.name, dict(call.arguments)) for call in read] == [
                    (call.name, dict(call.arguments)) for call in message.calls
                ]


def test_a_follow_up_about_the_file_before_names_that_file() -> None:
    lines = [*phrasing.parse(['== read_file {"path": "{file}"}', "cat {file}"], "a")]
    lines += phrasing.parse(['== after read_file list_files {"path": "{prev}"}', "list that"], "b")
    lines += phrasing.parse(["== reply greeting", "hi"], "c")
    generator = Generator(lines, 1)
    followed = 0
    for dialogue in (generator.dialogue(2) for _ in range(300)):
        calls = [call for message in dialogue for call in message.calls]
        for before, after in pairwise(calls):
            if (
                after.name == "list_files"
                and before.name == "read_file"
                and "list that" in chat.render(dialogue).lower()
            ):
                followed += 1
    assert followed > 50


def test_substitute_leaves_what_is_no_text_as_it_is() -> None:
    assert substitute({"path": "{file}", "overwrite": True}, {"file": "a.md"}) == {"path": "a.md", "overwrite": True}


def test_zones_are_known_to_the_time_zone_database() -> None:
    zoneinfo = pytest.importorskip("zoneinfo")
    assert set(ZONES.values()) <= zoneinfo.available_timezones()


@pytest.mark.parametrize("tool", phrasing.TOOLS)
def test_answers_after_errors_waits_and_refusals_are_honest(tool: str) -> None:
    arguments = {"path": "a.md", "database": "a.db", "expression": "1+1", "url": "a.org"}
    assert replies.answer(tool, arguments, "error: disk full", Random(1)) == "That failed: disk full"
    waiting = replies.answer(tool, arguments, "waiting: needs review (7k2mq9xd)", Random(1))
    assert waiting == "That needs a reviewer's approval first (7k2mq9xd)."
    assert replies.answer(tool, arguments, "refused: no", Random(1)) == "The safety gate refused that."


def test_results_are_of_every_kind() -> None:
    r = Random(1)
    seen = {results.result("read_file", {"path": "a.md"}, r).partition(":")[0] for _ in range(300)}
    assert {"error", "waiting", "refused"} < seen


@pytest.mark.parametrize(
    "text", ["", "no call", "<tool_call>{", '<tool_call>{"name": 1}</tool_call>', "<tool_call>[]</tool_call>"]
)
def test_text_that_is_no_call_is_no_call(text: str) -> None:
    assert chat.parse_calls(text) == []


def test_two_calls_in_one_turn_are_both_read() -> None:
    calls = [chat.Call("read_file", {"path": 'a "b".md'}), chat.Call("list_files")]
    assert chat.parse_calls("".join(call.text() for call in calls)) == calls
