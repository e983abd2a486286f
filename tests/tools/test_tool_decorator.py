"""@tool: what becomes a tool, and what is refused with a message that says why."""

from __future__ import annotations

import functools
from typing import Annotated, Any

import pytest
from pydantic import Field

from so8t.gate.contract import Effect, ToolSpec
from so8t.tools import Toolbox, ToolDefinitionError, ToolLoadError, Workspace, tool


def spec(function: Any) -> ToolSpec:
    return Toolbox([function]).specs[0]


@tool(effects={"read"})
def weather(city: Annotated[str, Field(description="Name of a city")], days: int = 1) -> str:
    """The weather
    in a city.

    Not for the model.
    """
    return f"{city} {days}"


def test_the_spec_holds_name_first_paragraph_effects_and_schema() -> None:
    assert spec(weather) == ToolSpec(
        "weather",
        "The weather in a city.",
        frozenset({Effect.READ}),
        {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "city": {"type": "string", "description": "Name of a city"},
                "days": {"type": "integer", "default": 1},
            },
            "required": ["city"],
        },
    )


def test_the_function_stays_callable() -> None:
    assert weather("Kyoto", days=2) == "Kyoto 2"


def test_name_and_description_can_be_given() -> None:
    @tool(effects={"write", "network"}, name="other_name", description="Does it.")
    def function() -> None: ...

    assert (spec(function).name, spec(function).description) == ("other_name", "Does it.")
    assert spec(function).effects == frozenset({Effect.WRITE, Effect.NETWORK})


def test_a_resource_parameter_is_not_part_of_the_schema() -> None:
    @tool(effects={"read"})
    def count(workspace: Workspace, folder: str) -> str:
        """Count files."""
        return f"{workspace}{folder}"

    assert list(spec(count).parameters["properties"]) == ["folder"]


def test_parameters_may_have_names_that_models_use_themselves() -> None:
    @tool(effects={"read"})
    def odd(schema: str, json: int, copy: bool, _private: str = "") -> None:
        """Odd names."""

    assert list(spec(odd).parameters["properties"]) == ["schema", "json", "copy", "_private"]


def test_missing_effects_list_the_valid_ones() -> None:
    with pytest.raises(ToolDefinitionError, match="read, write, exec, network, send, pay, identity, physical"):

        @tool()
        def function() -> None:
            """Text."""


def test_a_bare_decorator_is_explained() -> None:
    with pytest.raises(ToolDefinitionError, match="write @tool"):

        @tool
        def function() -> None:
            """Text."""


def test_an_unknown_effect_is_named() -> None:
    with pytest.raises(ToolDefinitionError, match="'reed' is no effect; valid effects: read"):

        @tool(effects={"reed"})
        def function() -> None:
            """Text."""


def test_effects_as_one_text_are_explained() -> None:
    with pytest.raises(ToolDefinitionError, match=r'write effects=\{"read"\}'):

        @tool(effects="read")
        def function() -> None:
            """Text."""


@pytest.mark.parametrize("name", ["Weather", "1st", "with space", "", "a" * 65, "fül", "ｗeather", "a-b", "a.b", "a\n"])
def test_names_outside_the_pattern_are_refused(name: str) -> None:
    with pytest.raises(ToolDefinitionError, match="is not valid"):

        @tool(effects={"read"}, name=name)
        def function() -> None:
            """Text."""


def test_a_tool_without_description_is_refused() -> None:
    with pytest.raises(ToolDefinitionError, match="docstring"):

        @tool(effects={"read"})
        def function() -> None: ...


def test_an_untyped_parameter_is_named() -> None:
    with pytest.raises(ToolDefinitionError, match="parameter city has no type"):

        @tool(effects={"read"})
        def function(city) -> None:  # type: ignore[no-untyped-def]  # the mistake under test
            """Text."""


def test_variable_and_positional_only_parameters_are_refused() -> None:
    def stars(*args: str) -> None:
        """Text."""

    def double_stars(**kwargs: str) -> None:
        """Text."""

    def positional(a: str, /) -> None:
        """Text."""

    for function, message in ((stars, r"\*args"), (double_stars, r"\*\*kwargs"), (positional, "positional-only")):
        with pytest.raises(ToolDefinitionError, match=message):
            tool(effects={"read"})(function)


def test_types_that_cannot_be_checked_are_refused() -> None:
    def opaque(value: object, other: Opaque) -> None:
        """Text."""

    def unknown(value: Nowhere) -> None:  # type: ignore[name-defined]  # noqa: F821 - the mistake under test
        """Text."""

    for function in (opaque, unknown):
        with pytest.raises(ToolDefinitionError):
            tool(effects={"read"})(function)


class Opaque:
    """A class that pydantic knows nothing about."""


def test_a_default_that_json_cannot_carry_is_refused() -> None:
    with pytest.raises(ToolDefinitionError, match="default of value"):

        @tool(effects={"read"})
        def function(value: Any = Opaque()) -> None:  # noqa: B008 - the mistake under test
            """Text."""


def test_generators_and_classes_are_refused() -> None:
    def generator() -> Any:
        """Text."""
        yield 1

    for thing in (generator, Opaque, 5):
        with pytest.raises(ToolDefinitionError):
            tool(effects={"read"})(thing)  # type: ignore[type-var]  # the mistake under test


@pytest.mark.parametrize("limits", [{"timeout": 0}, {"timeout": float("nan")}, {"timeout": -1}, {"output_cap": 0}])
def test_limits_must_be_greater_than_zero(limits: dict[str, Any]) -> None:
    with pytest.raises(ToolDefinitionError, match="greater than 0"):

        @tool(effects={"read"}, **limits)
        def function() -> None:
            """Text."""


def test_a_decorator_above_tool_is_an_error_since_it_would_not_run() -> None:
    @functools.wraps(weather)
    def wrapped(city: str, days: int = 1) -> str:
        return weather(city, days)

    with pytest.raises(ToolLoadError, match="put @tool on top"):
        Toolbox([wrapped])


def test_a_toolbox_takes_only_tools() -> None:
    with pytest.raises(ToolLoadError, match="print is no tool"):
        Toolbox([print])
