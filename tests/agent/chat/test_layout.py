"""Text in the chat: wrapped between words, never at the start of a line, the same however it is cut into pieces."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from so8t.agent.chat.layout import INDENT, NARROWEST, Flow, rows
from so8t.agent.review.cells import cells
from so8t.agent.terminal import safe

ANY = st.characters(exclude_categories=())
TEXT = st.text(ANY | st.sampled_from("abc日本語é❤️🎉\u0301\u200d\x1b\n\n\t    "))
WIDTH = st.none() | st.integers(NARROWEST, 60)


def flowed(pieces: list[str], width: int | None) -> str:
    flow = Flow(width)
    return "".join(flow.feed(piece) for piece in pieces) + flow.end()


@given(st.lists(TEXT, max_size=8), WIDTH)
def test_an_answer_looks_the_same_however_it_arrives(pieces: list[str], width: int | None) -> None:
    assert flowed(pieces, width) == flowed(["".join(pieces)], width)


@given(TEXT, WIDTH)
def test_every_line_of_an_answer_is_indented_and_none_is_too_wide(text: str, width: int | None) -> None:
    out = flowed([text], width)
    assert out == "" or out.endswith("\n")
    for line in out.splitlines():
        assert line == "" or line.startswith(INDENT)
        assert width is None or cells(line) <= width


@given(TEXT, WIDTH)
def test_nothing_of_an_answer_is_lost_but_blanks(text: str, width: int | None) -> None:
    assert "".join(flowed([text], width).split()) == "".join(safe(text).split())


@given(TEXT)
def test_without_a_width_every_line_of_an_answer_stays_a_line(text: str) -> None:
    lines = safe(text).removesuffix("\n").split("\n") if text else []
    assert flowed([text], None).splitlines() == [INDENT + line if line else "" for line in lines]


def test_words_are_kept_whole_and_japanese_wraps_between_any_two_characters() -> None:
    assert flowed(["the quick brown fo", "x jumps"], 18) == "  the quick brown \n  fox jumps\n"
    assert flowed(["日本語の文はどこでも折れる"], 17) == "  日本語の文はど\n  こでも折れる\n"
    assert flowed(["x" * 30], 16) == "  " + "x" * 14 + "\n  " + "x" * 14 + "\n  xx\n"


def test_an_answer_is_written_word_by_word_while_it_arrives() -> None:
    flow = Flow(40)
    assert [flow.feed(piece) for piece in ("Hel", "lo", " wor", "ld", ".\n", "日", "本")] == [
        "", "", "  Hello ", "", "world.", "\n", "  日"
    ]  # fmt: skip
    assert flow.end() == "本\n"


LINE = st.text(st.sampled_from("abc 日本語·é🎉"), max_size=120)


@given(st.lists(st.tuples(st.sampled_from(["", "class:dim"]), LINE), max_size=4), st.integers(0, 4), WIDTH)
def test_a_long_line_is_cut_into_rows_with_their_styles(
    parts: list[tuple[str, str]], hang: int, width: int | None
) -> None:
    first, *rest = rows(parts, hang, width)
    for row in rest:
        assert row[0] == ("", " " * hang)
    most = 999 if width is None else max(width, NARROWEST + 2 * hang)
    assert all(cells("".join(text for _, text in row)) <= most for row in (first, *rest))
    back = [*first, *(fragment for row in rest for fragment in row[1:])]
    assert [(style, c) for style, text in back for c in text] == [(style, c) for style, text in parts for c in text]
