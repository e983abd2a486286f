"""A conversation that is longer than the model's context is shortened, and the user hears of it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from so8t.agent.engines.fit import SHORTEST, DoesNotFit, Message, fit

SYSTEM = {"role": "system", "content": "s"}


def size(messages: Sequence[Message]) -> int:
    return sum(len(m["content"]) for m in messages)


def turn(number: int, result: int = 0, text: int = 20) -> list[Message]:
    words = f"{number}".rjust(text, "u")
    calls = [{"role": "assistant", "content": ""}, {"role": "tool", "content": f"{number}".rjust(result, "r")}]
    return [{"role": "user", "content": words}, *(calls if result else []), {"role": "assistant", "content": "answer"}]


def test_what_fits_is_left_as_it_is() -> None:
    talk = [SYSTEM, *turn(1, 5000), *turn(2)]
    assert fit(talk, size, size(talk), "the context") == (talk, None)


def test_long_results_of_earlier_turns_are_shortened_before_anything_is_dropped() -> None:
    talk = [SYSTEM, *turn(1, 5000), *turn(2, 1000)]
    kept, notice = fit(talk, size, 2000, "the context (9 tokens)")
    assert [m["role"] for m in kept] == [m["role"] for m in talk]
    assert "characters cut" in kept[3]["content"]
    assert kept[5:] == talk[5:]
    assert notice is not None
    assert "the context (9 tokens)" in notice


def test_the_oldest_turns_go_next_and_the_system_message_stays() -> None:
    talk = [SYSTEM, *(m for n in range(300) for m in turn(n, 300))]
    counted = []
    kept, notice = fit(talk, lambda m: counted.append(1) or size(m), 1000, "the context")
    assert kept[0] == SYSTEM
    assert kept[1]["role"] == "user"
    assert kept[1:] == talk[-len(kept[1:]) :]
    assert size(kept) > 1000 - size(turn(1, 300))
    assert notice
    assert len(counted) < 20  # each count renders and tokenizes everything


def test_results_of_this_turn_shrink_last_and_keep_their_beginning_and_end() -> None:
    content = "BEGIN" + "x" * 10_000 + "END"
    talk = [SYSTEM, *turn(1), {"role": "user", "content": "u"}, {"role": "tool", "content": content}]
    kept, _ = fit(talk, size, 3000, "the context")
    assert [m["role"] for m in kept] == ["system", "user", "tool"]
    assert kept[-1]["content"].startswith("BEGIN")
    assert kept[-1]["content"].endswith("END")


def test_a_turn_that_is_too_long_by_itself_is_an_error_that_says_so() -> None:
    with pytest.raises(DoesNotFit, match=r"longer than the context \(7 tokens\)"):
        fit([SYSTEM, *turn(1), *turn(2, text=500)], size, 400, "the context (7 tokens)")


def test_the_given_messages_are_not_changed() -> None:
    talk = [SYSTEM, *turn(1, 5000), *turn(2, 5000)]
    before = [dict(m) for m in talk]
    fit(talk, size, 1000, "the context")
    assert talk == before


@given(st.lists(st.tuples(st.integers(0, 3000), st.integers(5, 300)), min_size=1, max_size=12), st.integers(50, 4000))
def test_the_result_fits_and_keeps_the_last_turn_or_there_is_an_error(turns: list[tuple[int, int]], limit: int) -> None:
    talk = [SYSTEM, *(m for i, (result, text) in enumerate(turns) for m in turn(i, result, text))]
    try:
        kept, notice = fit(talk, size, limit, "the context")
    except DoesNotFit:
        assert size([SYSTEM, *turn(0, min(turns[-1][0], SHORTEST // 2), turns[-1][1])]) > limit - 2 * SHORTEST
        return
    assert size(kept) <= limit
    assert (notice is None) == (kept == talk)
    last = [m for m in kept if m["role"] == "user"][-1]
    assert last == [m for m in talk if m["role"] == "user"][-1]
