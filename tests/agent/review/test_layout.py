"""How a call is laid out for a reviewer: nothing changed, nothing lost, nothing wider than the screen."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prompt_toolkit.utils import get_cwidth

from so8t.agent.review.cells import cells, column, cut, wrap
from so8t.agent.review.hosts import hosts
from so8t.agent.review.pretty import RUN, layout, squeeze
from so8t.agent.review.times import clock, span
from so8t.agent.terminal import safe
from so8t.gate.strict_json import canonical, loads

ANY = st.text(st.characters(exclude_categories=("Cs",)) | st.sampled_from('ab \n\t"\\日本é❤️🎉Я①\u0301{}[],:'))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(-(2.0**53) + 1, 2.0**53 - 1) | ANY,
    lambda inner: st.lists(inner) | st.dictionaries(ANY, inner),
)


@given(st.dictionaries(ANY, JSON).filter(lambda value: squeeze(canonical(value)) == canonical(value)))
def test_laid_out_json_is_the_stored_json_with_nothing_but_white_space_between_its_parts(value: Any) -> None:
    text = canonical(value)
    lines = ["".join(parts) for parts in layout(text)]
    assert loads("\n".join(lines)) == loads(text)
    assert json.dumps(loads("".join(lines))) == json.dumps(loads(text))
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")


def test_json_is_indented_and_strings_break_after_their_newlines() -> None:
    assert ["|".join(parts) for parts in layout('{"a":{},"b":[1,{"c":"x\\ny\\\\n\\n"}]}')] == [
        "{",
        '  "a": {},',
        '  "b": [',
        "    1,",
        "    {",
        '      "c": "x\\n|y\\\\n\\n|"',
        "    }",
        "  ]",
        "}",
    ]


@pytest.mark.parametrize("text", ["{", '"', '{"a":"', "}]}", "\\", '"\\"', "", "[[[["])
def test_text_that_is_no_json_is_laid_out_too_and_whole(text: str) -> None:
    assert "".join("".join(parts) for parts in layout(text)).replace(" ", "") == text


@pytest.mark.parametrize("unit", ["a", "日", "\n", " ", "\u200b", "\\n", "\\u0000", '\\"'])
def test_a_long_run_of_one_character_is_shown_once_with_its_number(unit: str) -> None:
    assert squeeze(f"x{unit * RUN}y") == f"x{unit}‹the same {RUN - 1} more times›y"
    assert squeeze(unit * (RUN - 1)) == unit * (RUN - 1)


@given(ANY, st.integers(4, 60))
def test_wrapped_rows_fit_and_make_up_the_text(text: str, width: int) -> None:
    shown = safe(text, lines=False)
    rows = list(wrap(shown, width))
    assert "".join(rows) == shown
    assert all(cells(row) <= width for row in rows)


@given(ANY)
def test_no_terminal_library_finds_text_wider_than_we_do(text: str) -> None:
    shown = safe(text, lines=False)
    assert get_cwidth(shown) <= cells(shown)


@pytest.mark.parametrize(("text", "width"), [("日本", 4), ("❤️", 2), ("🇯🇵", 4), ("①Я", 4), ("e\u0301", 1), ("ab", 2)])
def test_a_character_counts_as_wide_as_the_widest_terminal_draws_it(text: str, width: int) -> None:
    assert cells(text) == width


@given(ANY, st.integers(12, 60))
def test_a_cut_text_fits_and_says_how_many_characters_are_missing(text: str, width: int) -> None:
    fitting = cut(text, width)
    assert cells(fitting) <= width
    assert get_cwidth(column(text, width)) == width
    assert "\n" not in fitting


def test_cut_counts_the_characters_and_not_their_markers() -> None:
    assert cut("abcdefghij", 10) == "abcdefghij"
    assert cut("abcdefghijk", 10) == "abcde‹+6›"
    assert cut("ab\u202e\u202e\u202e\u202e", 10) == "ab‹+4›"


def test_hosts_are_told_as_they_are_looked_up() -> None:
    text = '{"a":"https://аpple.com:8443/x","b":["bob@例え.jp","//ok.example?q","http://u:p@evil.example"],"c":"a@b"}'
    assert hosts(text) == {
        "аpple.com:8443": "xn--pple-43d.com:8443",
        "例え.jp": "xn--r8jz45g.jp",
        "ok.example": "ok.example",
        "u:p@evil.example": "evil.example",
        "b": "b",
    }
    assert hosts("https://а" + "x" * 70 + ".com/") == {"а" + "x" * 70 + ".com": "no valid host name"}


@given(ANY)
def test_any_text_may_be_asked_for_hosts(text: str) -> None:
    assert all(host in text for host in hosts(text))


def test_times_are_in_utc_and_ages_in_the_largest_unit() -> None:
    tokyo = datetime.fromisoformat("2026-11-24T18:00:05+09:00")
    assert clock(tokyo) == "2026-11-24 09:00:05Z"
    start = datetime(2026, 1, 1, tzinfo=UTC)
    for seconds, text in ((0, "0s"), (59, "59s"), (60, "1m"), (3599, "59m"), (7200, "2h"), (172_800, "2d"), (-5, "0s")):
        assert span(start, start + timedelta(seconds=seconds)) == text
