"""A tool: what the model is told about it, and the function that does the work."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError

from so8t.gate.contract import Call, ToolSpec
from so8t.gate.strict_json import StrictJsonError, canonical, loads
from so8t.tools.errors import InvalidArguments

ATTRIBUTE = "__so8t_tool__"  # where @tool leaves the definition on the function


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that the model may propose to call."""

    spec: ToolSpec
    function: Callable[..., Any]
    arguments: TypeAdapter[dict[str, Any]]
    resources: Mapping[str, type]  # parameter -> type of what the executor passes for it
    timeout: float  # seconds
    output_cap: int  # bytes of UTF-8
    origin: str  # where the tool comes from, in words

    @property
    def name(self) -> str:
        """The name that calls use."""
        return self.spec.name

    @property
    def is_async(self) -> bool:
        """Whether the function is a coroutine function."""
        return inspect.iscoroutinefunction(self.function)

    def parse(self, arguments_json: str) -> dict[str, Any]:
        """The arguments as the function takes them. Raises InvalidArguments."""
        return self._parse(self._object(arguments_json))

    def call(self, arguments_json: str) -> Call:
        """A call with checked and normalised arguments; what was left out stays out. Raises InvalidArguments."""
        values = self.parse(arguments_json)
        try:
            call = Call.of(self.name, loads(self.arguments.dump_json(values, exclude_unset=True).decode()))
        except (StrictJsonError, ValueError) as error:
            raise InvalidArguments(self.name, {"arguments": str(error)}) from None
        self.parse(call.arguments_json)  # the executor reads them from here: better to fail now than after the decision
        return call

    def _object(self, arguments_json: str) -> dict[str, Any]:
        try:
            value = loads(arguments_json)
        except StrictJsonError as error:
            raise InvalidArguments(self.name, {"arguments": str(error)}) from None
        if not isinstance(value, dict):
            raise InvalidArguments(self.name, {"arguments": f"an object is needed, not {_kind(value)}"})
        return value

    def _parse(self, value: dict[str, Any]) -> dict[str, Any]:
        try:
            return self.arguments.validate_json(canonical(value), strict=True)
        except ValidationError as error:
            raise InvalidArguments(self.name, self._problems(error)) from None

    def _problems(self, error: ValidationError) -> dict[str, str]:
        valid = ", ".join(self.spec.parameters.get("properties", {})) or "none"
        problems: dict[str, str] = {}
        for item in error.errors(include_url=False, include_input=False, include_context=False):
            place = " ".join(".".join(str(part) for part in item["loc"]).split()) or "arguments"
            text = f"unknown argument (valid: {valid})" if item["type"] == "extra_forbidden" else item["msg"]
            problems.setdefault(place, " ".join(text.split()))
        return problems


def _kind(value: object) -> str:
    names = {list: "an array", str: "a string", bool: "a boolean", int: "a number", float: "a number"}
    return names.get(type(value), "null")
