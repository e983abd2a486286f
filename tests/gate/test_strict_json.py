"""JSON that two readers cannot understand differently."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from so8t.gate.strict_json import MAX_INT, NotCanonical, NotStrictJson, canonical, loads

values: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-MAX_INT, MAX_INT)
    | st.floats(-1e15, 1e15, allow_nan=False).filter(lambda x: not x.is_integer())
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


@given(values)
def test_canonical_text_is_read_back_as_the_same_value(value: Any) -> None:
    text = canonical(value)
    assert loads(text) == value
    assert canonical(loads(text)) == text


@given(st.dictionaries(st.text(max_size=4), st.integers(-9, 9), max_size=6))
def test_the_order_of_keys_does_not_matter(value: dict[str, int]) -> None:
    assert canonical(value) == canonical(dict(reversed(value.items())))


@given(st.text(max_size=60))
def test_any_text_is_a_value_or_a_clear_error(text: str) -> None:
    with contextlib.suppress(NotStrictJson):
        assert canonical(loads(text))


@pytest.mark.parametrize(
    "text",
    ['{"a": 1, "a": 2}', "NaN", "[Infinity]", "-Infinity", "9007199254740992", "1e999", '"\\ud800"', '{"\\udfff": 1}',
     "[" * 100_000, "[" * 70 + "]" * 70, "9" * 5000, "", "{", "'a'"],
)  # fmt: skip
def test_what_two_readers_may_read_differently_is_refused(text: str) -> None:
    with pytest.raises(NotStrictJson):
        loads(text)


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), 2**53, 2.0**53, "\ud800", {1: 2}, {1, 2}, b"x", object()]
)
def test_what_json_cannot_carry_exactly_is_refused(value: Any) -> None:
    with pytest.raises(NotCanonical):
        canonical({"value": value})


def test_ordinary_json_is_what_the_standard_library_reads() -> None:
    text = '{"a": [1, 2.5, "日本語", null, true, {"b": -0.125}]}'
    assert loads(text) == json.loads(text)
