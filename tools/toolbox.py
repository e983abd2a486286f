"""The tools of one program: built-in, from files, from packages. One name, one tool."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from so8t.gate.contract import Call, ToolSpec
from so8t.tools import loader, names
from so8t.tools.definition import Tool
from so8t.tools.errors import NameClash, UnknownTool


class Toolbox:
    """Tools by exact name. Immutable."""

    def __init__(self, tools: Iterable[Tool | Callable[..., Any]]) -> None:
        """Raises ToolLoadError (no tool) or NameClash."""
        self._tools: dict[str, Tool] = {}
        looks: dict[str, Tool] = {}
        for found in map(loader.of, tools):
            other = looks.setdefault(names.look(found.name), found)
            if other is not found:
                raise NameClash(_clash(found, other))
            self._tools[found.name] = found

    @classmethod
    def load(
        cls,
        paths: Sequence[Path] = (),
        entry_points: bool = True,
        enabled: Collection[str] | None = None,
        disabled: Collection[str] = (),
    ) -> Toolbox:
        """The built-in tools, those of the files (or folders) `paths` and those of installed packages.

        `enabled` (None: all) and `disabled` are names of tools.

        Raises:
            ToolLoadError: a file or a package failed to load.
            NameClash: two tools have one name or names that look alike.
            UnknownTool: `enabled` or `disabled` names no tool.
        """
        packages = loader.from_entry_points() if entry_points else ()
        box = cls([*builtin(), *loader.from_paths(paths), *packages])
        for name in [*(enabled or ()), *disabled]:
            box.get(name)
        return cls(t for t in box if (enabled is None or t.name in enabled) and t.name not in disabled)

    def usable_with(self, resources: Iterable[object]) -> Toolbox:
        """Only the tools for which every resource that they take is there: the rest is not offered."""
        given = {type(resource) for resource in resources}
        return Toolbox(t for t in self if set(t.resources.values()) <= given)

    @property
    def specs(self) -> tuple[ToolSpec, ...]:
        """What the model and the gate are told, in the order of loading."""
        return tuple(t.spec for t in self)

    def get(self, name: str) -> Tool:
        """Raises UnknownTool, which lists the valid names, nearest first. No aliases by case, space or path."""
        if name not in self._tools:
            valid = ", ".join(names.nearest(name, self._tools)) or "there are none"
            raise UnknownTool(f"there is no tool {name[:100]!r}; valid names: {valid}")
        return self._tools[name]

    def validate(self, name: str, arguments_json: str) -> Call:
        """A call of the tool with checked, normalised arguments. Raises UnknownTool or InvalidArguments."""
        return self.get(name).call(arguments_json)

    def __iter__(self) -> Iterator[Tool]:
        return iter(self._tools.values())

    def __len__(self) -> int:
        return len(self._tools)

    def __contains__(self, name: object) -> bool:
        return name in self._tools


def builtin() -> list[Tool]:
    """The tools that come with so8t, one module each."""
    package = importlib.import_module("so8t.tools.builtin")
    modules = sorted(module.name for module in pkgutil.iter_modules(package.__path__))
    found = [loader.defined_in(importlib.import_module(f"so8t.tools.builtin.{name}")) for name in modules]
    return [replace(t, origin="built-in") for tools in found for t in tools]


def _clash(one: Tool, other: Tool) -> str:
    how = "is the name of" if one.name == other.name else "looks like"
    whose = "two tools" if one.name == other.name else repr(other.name)
    return f"the tool name {one.name!r} ({one.origin}) {how} {whose} ({other.origin}): rename or disable one"
