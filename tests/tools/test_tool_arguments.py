"""Toolbox.validate: strict types, clear problems, one normal form."""

from __future__ import annotations

import json
from datetime import date
from enum import Enum
from typing import Annotated, Literal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from so8t.tools import InvalidArguments, Toolbox, UnknownTool, tool


class Colour(Enum):
    RED = "red"


class Point(BaseModel):
    x: int
    y: int = 0


@tool(effects={"read"})
def many(
    text: str,
    whole: int = 0,
    real: float = 0.5,
    flag: bool = False,
    numbers: list[int] | None = None,
    choice: Literal["a", "b"] = "a",
    day: date | None = None,
    colour: Colour = Colour.RED,
    point: Point | None = None,
    positive: Annotated[int, Field(ge=1)] = 1,
) -> str:
    """Takes many kinds of arguments."""
    return f"{text}{whole}{real}{flag}{numbers}{choice}{day}{colour}{point}{positive}"


BOX = Toolbox([many])


def test_what_was_left_out_stays_out() -> None:
    assert BOX.validate("many", '{"text": "x"}').arguments == {"text": "x"}


def test_rich_types_are_read_from_json() -> None:
    given_ = {"text": "日本", "day": "2026-11-24", "colour": "red", "point": {"x": 1}, "numbers": [1], "real": 5}
    assert BOX.validate("many", json.dumps(given_)).arguments == given_


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"text": 5}, "text: "),
        ({"text": "x", "whole": "5"}, "whole: "),
        ({"text": "x", "whole": 5.5}, "whole: "),
        ({"text": "x", "whole": True}, "whole: "),
        ({"text": "x", "real": "1"}, "real: "),
        ({"text": "x", "flag": "yes"}, "flag: "),
        ({"text": "x", "flag": 1}, "flag: "),
        ({"text": "x", "numbers": ["1"]}, "numbers"),
        ({"text": "x", "choice": "c"}, "choice: "),
        ({"text": "x", "point": {"x": "1"}}, "point"),
        ({"text": "x", "positive": 0}, "positive: "),
        ({"text": None}, "text: "),
        ({}, "text: "),
        ({"text": "x", "texts": "y"}, r"texts: unknown argument \(valid: text, whole"),
    ],
)
def test_a_wrong_argument_is_named(arguments: dict[str, object], problem: str) -> None:
    with pytest.raises(InvalidArguments, match=problem) as caught:
        BOX.validate("many", json.dumps(arguments))
    assert "\n" not in str(caught.value)


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(InvalidArguments) as caught:
        BOX.validate("many", '{"text": 1, "whole": "2", "other": 3}')
    assert set(caught.value.problems) == {"text", "whole", "other"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "[]",
        "null",
        '"text"',
        '{"text": "x"',
        '{"text": "a", "text": "b"}',
        '{"text": NaN}',
        "[" * 100_000,
        '{"text": "\\ud800"}',
        '{"text": "x", "whole": 9007199254740993}',
        '{"text": "x", "whole": ' + "9" * 5000 + "}",
    ],
)
def test_text_that_is_no_strict_json_object_is_an_error(text: str) -> None:
    with pytest.raises(InvalidArguments):
        BOX.validate("many", text)


def test_a_flood_of_wrong_arguments_makes_a_short_message() -> None:
    with pytest.raises(InvalidArguments) as caught:
        BOX.validate("many", json.dumps({"x" * 1000 + str(n) + "\n": 1 for n in range(1000)}))
    assert len(str(caught.value)) < 3000
    assert "\n" not in str(caught.value)
    with pytest.raises(UnknownTool) as unknown:
        BOX.validate("x" * 1_000_000, "{}")
    assert len(str(unknown.value)) < 300


def test_the_digest_does_not_depend_on_spelling() -> None:
    one = BOX.validate("many", '{"text":"é","whole":5}')
    other = BOX.validate("many", ' {"whole" : 5.0, "text": "\\u00e9"} ')
    assert one.digest == other.digest


@given(st.text(), st.integers(-(2**53) + 1, 2**53 - 1), st.floats(allow_nan=False, allow_infinity=False), st.booleans())
def test_normalising_twice_changes_nothing(text: str, whole: int, real: float, flag: bool) -> None:
    arguments = {"text": text, "whole": whole, "real": real, "flag": flag}
    assume(not (real.is_integer() and abs(real) >= 2**53))  # JSON does not carry it exactly: refused, see below
    once = BOX.validate("many", json.dumps(arguments))
    assert BOX.validate("many", once.arguments_json).digest == once.digest
    assert once.arguments["text"] == text


@pytest.mark.parametrize("real", [2.0**53, -(2.0**60), 1e20])
def test_a_whole_number_that_json_does_not_carry_exactly_is_refused(real: float) -> None:
    with pytest.raises(InvalidArguments, match=r"beyond 2\^53"):
        BOX.validate("many", json.dumps({"text": "x", "real": real}))


def test_an_unknown_tool_lists_the_nearest_first() -> None:
    with pytest.raises(UnknownTool, match="valid names: read_file, "):
        Toolbox.load(entry_points=False).validate("readfile", "{}")
