"""@tool: makes a plain typed function a tool."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from so8t.gate.contract import Effect, ToolSpec
from so8t.tools import names, signature
from so8t.tools.definition import ATTRIBUTE, Tool
from so8t.tools.errors import ToolDefinitionError

F = TypeVar("F", bound=Callable[..., Any])


def tool(
    function: object = None,
    /,
    *,
    effects: Iterable[str] = (),
    name: str | None = None,
    description: str | None = None,
    timeout: float = 30.0,
    output_cap: int = 20_000,
) -> Callable[[F], F]:
    """Make a function a tool; it stays callable as the plain function.

    The model is told the name, the docstring's first paragraph and the typed parameters. A parameter whose type is a
    resource (Workspace, or a class of yours with `__so8t_resource__ = True`) is passed by the executor instead.

    Args:
        function: never given: it is there to explain a bare `@tool`.
        effects: what the tool may do: read, write, exec, network, send, pay, identity, physical.
        name: the name of the tool (default: the function's).
        description: what the model is told (default: the docstring's first paragraph).
        timeout: seconds until the call is given up.
        output_cap: bytes of output (UTF-8) that the model gets; the rest is cut.

    Raises:
        ToolDefinitionError: something is missing or wrong; the message says what.
    """
    if function is not None:
        raise ToolDefinitionError(f"write @tool(effects={{...}}): the effects are required; {_valid()}")

    def decorate(inner: F) -> F:
        setattr(inner, ATTRIBUTE, _define(inner, effects, name, description, timeout, output_cap))
        return inner

    return decorate


def _define(
    function: Callable[..., Any],
    effects: Iterable[str],
    name: str | None,
    description: str | None,
    timeout: float,
    output_cap: int,
) -> Tool:
    if not inspect.isfunction(function):
        raise ToolDefinitionError(f"@tool needs a function, not {type(function).__name__}")
    name = function.__name__ if name is None else name
    if not names.VALID.fullmatch(name):
        raise ToolDefinitionError(
            f"the tool name {name!r} is not valid: a-z first, then a-z, 0-9 and _, at most 64 characters"
        )
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise ToolDefinitionError(f"tool {name}: a generator cannot be a tool: return the whole result")
    if not (math.isfinite(timeout) and timeout > 0 and output_cap > 0):
        raise ToolDefinitionError(f"tool {name}: timeout and output_cap must be greater than 0")
    known = _effects(effects, name)
    text = description or (inspect.getdoc(function) or "").split("\n\n", 1)[0]
    if not text.strip():
        raise ToolDefinitionError(
            f"tool {name}: write a docstring: its first paragraph tells the model what the tool does"
        )
    read = signature.read(function, name)
    spec = ToolSpec(name, " ".join(text.split()), known, read.schema)
    return Tool(spec, function, read.arguments, read.resources, timeout, output_cap, f"{function.__module__}.{name}")


def _effects(effects: Iterable[str], name: str) -> frozenset[Effect]:
    given = [effects] if isinstance(effects, str) else list(effects)
    if isinstance(effects, str):
        raise ToolDefinitionError(f'tool {name}: effects is a set: write effects={{"{effects}"}}; {_valid()}')
    unknown = [effect for effect in given if effect not in set(Effect)]
    if unknown:
        raise ToolDefinitionError(f"tool {name}: {unknown[0]!r} is no effect; {_valid()}")
    if not given:
        raise ToolDefinitionError(f"tool {name}: the effects are required; {_valid()}")
    return frozenset(Effect(effect) for effect in given)


def _valid() -> str:
    return "valid effects: " + ", ".join(Effect)
