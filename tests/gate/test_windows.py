from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from so8t.gate.backbones import BackboneFault, Rendered
from so8t.gate.windows import FIELD, MAX_CHARACTERS, MAX_WINDOWS, TooLong, split

LINES = st.lists(st.text(st.sampled_from("ab cé日\u3000.:"), max_size=120), max_size=8)


def words(text: str) -> int:
    return len(text.split())


def pieces(text: str) -> int:
    """Like a subword tokenizer: every three characters of a word are one token."""
    return sum(-(-len(word) // 3) for word in text.split())


def test_what_fits_is_one_window_and_is_counted_once() -> None:
    calls: list[str] = []
    windows = split(Rendered("head", ("one", "two")), lambda text: calls.append(text) or words(text), 10)  # type: ignore[func-returns-value]
    assert windows == ["head\none\ntwo"]
    assert len(calls) == 1


@given(LINES, st.integers(12, 40))
def test_every_window_is_within_the_limit_and_begins_with_the_header(body: list[str], limit: int) -> None:
    for window in split(Rendered("the header", tuple(body)), pieces, limit):
        assert pieces(window) <= limit
        assert window.startswith("the header")


@given(LINES, st.integers(12, 40), st.sampled_from([words, pieces]))
def test_every_character_of_the_body_is_in_some_window(body: list[str], limit: int, count: object) -> None:
    marked = [f"<{n}>" + line + f"</{n}>" for n, line in enumerate(body)]
    windows = split(Rendered("h", tuple(marked)), count, limit)  # type: ignore[arg-type]
    for line in marked:
        assert covered(line, windows)


def covered(line: str, windows: list[str]) -> bool:
    """Whether the line is the union of beginnings, middles and ends that stand in the windows, in order."""
    reach = 0
    for window in windows:
        for part in window.split("\n"):
            start = line.find(part) if part else -1
            while start != -1:
                if start <= reach:
                    reach = max(reach, start + len(part))
                start = line.find(part, start + 1)
    return reach >= len(line)


def test_the_pieces_of_a_long_line_overlap() -> None:
    line = " ".join(f"w{n}" for n in range(50))
    first, second, *_ = split(Rendered("h", (line,)), words, 20)
    assert first.split()[-1] in second.split()


def test_the_pieces_of_a_long_field_keep_its_label() -> None:
    line = f"{FIELD} content: " + " ".join(f"w{n}" for n in range(50))
    for window in split(Rendered("h", (line,)), words, 20):
        assert window.split("\n")[1].startswith(f"{FIELD} content: ")


def test_one_word_longer_than_a_window_is_cut_inside() -> None:
    windows = split(Rendered("h", ("x" * 90 + "y",)), pieces, 20)
    assert len(windows) > 1
    assert windows[-1].endswith("y")


def test_a_header_longer_than_a_window_is_read_as_body() -> None:
    header = " ".join(f"argument{n}" for n in range(40))
    windows = split(Rendered(header, ("the body",)), words, 20)
    assert all(words(window) <= 20 for window in windows)
    assert all(any(f"argument{n}" in window.split() for window in windows) for n in range(40))
    assert windows[-1].endswith("the body")


def test_more_windows_than_the_most_is_too_long() -> None:
    line = " ".join(["word"] * 20 * (MAX_WINDOWS + 2))
    with pytest.raises(TooLong, match=f"more than {MAX_WINDOWS} windows"):
        split(Rendered("h", (line,)), words, 20)


def test_a_huge_text_is_too_long_before_it_is_tokenised() -> None:
    with pytest.raises(TooLong):
        split(Rendered("h", ("x" * (MAX_CHARACTERS + 1),)), lambda _: pytest.fail("counted"), 20)


def test_a_limit_with_no_room_beside_the_header_is_too_long() -> None:
    with pytest.raises(TooLong, match="no room"):
        split(Rendered("h", ("some words",)), lambda text: len(text) * 10, 15)


def test_too_long_is_a_fault_to_callers_that_do_not_know_it() -> None:
    assert issubclass(TooLong, BackboneFault)


@given(st.integers(1, 400))
def test_few_counts_are_needed_for_each_window(length: int) -> None:
    calls = 0

    def count(text: str) -> int:
        nonlocal calls
        calls += 1
        return words(text)

    windows = split(Rendered("h", tuple(f"line {n}" for n in range(length // 4))), count, 60)
    assert calls <= 2 + 14 * len(windows)
