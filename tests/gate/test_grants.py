"""What a grant's statements fit: a value and no other, a pattern and nothing that a reader would not expect of it."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from so8t.gate.contract import Call
from so8t.gate.grants import Exactly, Glob, StatementInvalid, covers, exactly, glob, stated_json, stated_of
from so8t.gate.strict_json import canonical

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
patterns = st.text("ab/*?.\n", min_size=1, max_size=8)


@given(values, values)
def test_a_stated_value_fits_itself_and_nothing_else(stated: Any, other: Any) -> None:
    assert exactly(stated).fits(stated)
    assert exactly(stated).fits(other) is (canonical(stated) == canonical(other))


@given(st.dictionaries(texts, values.map(exactly) | patterns.map(Glob), max_size=4))
def test_statements_come_back_from_their_json(stated: dict[str, Exactly | Glob]) -> None:
    assert stated_of(stated_json(stated)) == stated


@given(st.dictionaries(texts, values, max_size=4), st.dictionaries(texts, values, max_size=4))
def test_a_call_is_covered_where_its_arguments_are_the_stated_ones(stated: Any, arguments: Any) -> None:
    exact = {name: exactly(value) for name, value in stated.items()}
    assert covers(exact, Call.of("t", arguments)) is (canonical(stated) == canonical(arguments))


@cache
def fits(text: str, pattern: str) -> bool:
    """The meaning of a pattern, spelled out."""
    if not pattern:
        return not text
    if pattern.startswith("**"):
        return fits(text, pattern[2:]) or (bool(text) and fits(text[1:], pattern))
    plain = bool(text) and text[0] not in "/\\\r\n"
    if pattern[0] == "*":
        return fits(text, pattern[1:]) or (plain and fits(text[1:], pattern))
    return bool(text) and (plain if pattern[0] == "?" else text[0] == pattern[0]) and fits(text[1:], pattern[1:])


@given(st.text("ab/.\n", max_size=10), patterns)
def test_a_pattern_fits_whole_texts_as_it_is_documented(text: str, pattern: str) -> None:
    climbs = ".." in text.split("/")
    assert glob(pattern).fits(text) is (fits(text, pattern) and not climbs)


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("notes/*", "notes/../agent.toml"),
        ("notes/**", "notes/../../etc/passwd"),
        ("notes\\**", "notes\\..\\agent.toml"),
        ("**", ".."),
        ("notes/*", "notes/a/b"),
        ("notes/*", "notes/a\\b"),
        ("git *", "git log\nrm -rf ."),
        ("notes/*", "notes/a\u200b"),
        ("notes/*", "notes/\u202egpj.txt"),
        ("**", "a\x00b"),
        ("**", "\x1b[2J"),
        ("*.txt", "A.TXT"),
        ("a.txt", "aXtxt"),
        ("[ab]", "a"),
        ("caf\u00e9*", "cafe\u0301s"),
    ],
    ids=ascii,
)
def test_a_pattern_does_not_fit_more_than_it_shows(pattern: str, text: str) -> None:
    assert not glob(pattern).fits(text)


@pytest.mark.parametrize("value", [1, True, None, ["a"], {"a": "b"}], ids=repr)
def test_a_pattern_fits_texts_only(value: Any) -> None:
    assert not glob("**").fits(value)


@pytest.mark.parametrize("pattern", ["", "a\u200b*", "\u202e*", "*\x1b", "\U000e0041"], ids=ascii)
def test_a_pattern_that_nobody_can_read_whole_is_an_error(pattern: str) -> None:
    with pytest.raises(StatementInvalid):
        glob(pattern)


@pytest.mark.parametrize(
    "value", [float("nan"), 2**53, "\ud800", {1: 2}, object()], ids=["NaN", "2^53", "surrogate", "key", "object"]
)
def test_a_value_that_no_call_could_have_is_an_error(value: Any) -> None:
    with pytest.raises(StatementInvalid):
        exactly(value)


def test_a_pattern_that_takes_too_long_fits_nothing() -> None:
    assert not glob("*a" * 12 + "c").fits("a" * 3000 + "b")


@pytest.mark.parametrize(
    "text", ["[]", '{"a":1}', '{"a":{"glob":1}}', '{"a":{"equals":1,"glob":"x"}}', '{"a":{}}', "x"]
)
def test_json_that_is_no_statement_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        stated_of(text)
