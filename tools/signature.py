"""From a typed signature to a checker of arguments and their JSON Schema."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NotRequired, get_type_hints

from pydantic import ConfigDict, PydanticUserError, TypeAdapter
from pydantic.errors import PydanticSchemaGenerationError
from pydantic_core import PydanticSerializationError, to_jsonable_python
from typing_extensions import TypedDict  # pydantic refuses typing.TypedDict before Python 3.12

from so8t.tools.errors import ToolDefinitionError

RESOURCE = "__so8t_resource__"  # a class with this attribute set to True is passed by the executor
_KINDS: Mapping[object, str] = {
    inspect.Parameter.VAR_POSITIONAL: "*{} cannot be described to a model",
    inspect.Parameter.VAR_KEYWORD: "**{} cannot be described to a model",
    inspect.Parameter.POSITIONAL_ONLY: "{} is positional-only, but arguments are passed by name",
}


@dataclass(frozen=True, slots=True)
class Signature:
    """What a function takes: from the model (`arguments`, `schema`) and from the executor (`resources`)."""

    arguments: TypeAdapter[dict[str, Any]]
    schema: Mapping[str, Any]
    resources: Mapping[str, type]


def read(function: Callable[..., Any], name: str) -> Signature:
    """Raises ToolDefinitionError."""
    parameters = list(_parameters(function, name))
    resources = {p.name: p.annotation for p in parameters if is_resource(p.annotation)}
    taken = [p for p in parameters if p.name not in resources]
    shape = _shape({p.name: _field(p) for p in taken})
    try:
        adapter = TypeAdapter(shape)
        schema = _tidy(adapter.json_schema())
    except (PydanticSchemaGenerationError, PydanticUserError) as error:
        raise ToolDefinitionError(f"tool {name}: {str(error).splitlines()[0]}") from None
    for parameter in taken:
        if parameter.default is not inspect.Parameter.empty:
            schema["properties"][parameter.name]["default"] = _default(parameter, name)
    return Signature(adapter, schema, resources)


def is_resource(annotation: object) -> bool:
    """Whether the executor passes a parameter of this type."""
    return isinstance(annotation, type) and getattr(annotation, RESOURCE, False) is True


def _parameters(function: Callable[..., Any], name: str) -> Iterator[inspect.Parameter]:
    try:
        hints = get_type_hints(function, include_extras=True)
    except (NameError, TypeError, SyntaxError) as error:
        raise ToolDefinitionError(f"tool {name}: a type cannot be resolved: {error}") from None
    for parameter in inspect.signature(function).parameters.values():
        if problem := _KINDS.get(parameter.kind):
            raise ToolDefinitionError(f"tool {name}: {problem.format(parameter.name)}")
        if parameter.name not in hints:
            raise ToolDefinitionError(
                f"tool {name}: parameter {parameter.name} has no type: write {parameter.name}: str, say"
            )
        yield parameter.replace(annotation=hints[parameter.name])


def _shape(fields: dict[str, Any]) -> type[dict[str, Any]]:
    """A TypedDict: unlike a model's, its fields may have any name, and those left out stay out."""
    make: Any = TypedDict  # the fields are known at run time only, which a type checker cannot follow
    made = make("Arguments", fields)
    made.__pydantic_config__ = ConfigDict(extra="forbid", strict=True)
    shape: type[dict[str, Any]] = made
    return shape


def _field(parameter: inspect.Parameter) -> Any:
    return parameter.annotation if parameter.default is inspect.Parameter.empty else NotRequired[parameter.annotation]


def _default(parameter: inspect.Parameter, name: str) -> Any:
    try:
        return to_jsonable_python(parameter.default)
    except PydanticSerializationError as error:
        raise ToolDefinitionError(f"tool {name}: the default of {parameter.name} is no JSON value: {error}") from None


def _tidy(schema: dict[str, Any]) -> dict[str, Any]:
    """Without the titles that pydantic adds: they only cost the model tokens."""
    kept = {key: value for key, value in schema.items() if not (key == "title" and isinstance(value, str))}
    for key in ("properties", "$defs"):
        if key in kept:
            kept[key] = {name: _tidy(inner) for name, inner in kept[key].items()}
    for key in ("items", "additionalProperties"):
        if isinstance(kept.get(key), dict):
            kept[key] = _tidy(kept[key])
    for key in ("anyOf", "oneOf", "allOf", "prefixItems"):
        if key in kept:
            kept[key] = [_tidy(inner) for inner in kept[key]]
    return kept
