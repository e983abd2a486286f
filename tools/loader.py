"""Tools from files and from installed packages (entry points of the group `so8t.tools`)."""

from __future__ import annotations

import importlib.util
import secrets
import sys
import traceback
from collections.abc import Iterable, Iterator
from dataclasses import replace
from importlib.machinery import SourceFileLoader
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import CodeType, ModuleType

from so8t.tools.definition import ATTRIBUTE, Tool
from so8t.tools.errors import ToolLoadError
from so8t.tools.output import one_line

GROUP = "so8t.tools"


def of(value: object) -> Tool:
    """The tool that `value` is: a Tool, or a function with @tool. Raises ToolLoadError."""
    found = value if isinstance(value, Tool) else getattr(value, ATTRIBUTE, None)
    name = getattr(value, "__name__", repr(value))
    if not isinstance(found, Tool):
        raise ToolLoadError(f"{name} is no tool: put @tool(effects={{...}}) over the function")
    if found is not value and found.function is not value:  # functools.wraps copies what @tool left on the function
        raise ToolLoadError(f"{name} has another decorator above @tool, which would not run: put @tool on top")
    return found


def from_paths(paths: Iterable[Path]) -> Iterator[Tool]:
    """Every @tool in the files; a folder stands for its *.py files. Raises ToolLoadError."""
    for path in paths:
        if path.is_dir():
            yield from from_paths(sorted(file for file in path.glob("*.py") if not file.name.startswith("_")))
        else:
            yield from _from_file(path)


def from_entry_points() -> Iterator[Tool]:
    """Every tool that installed packages offer. Raises ToolLoadError."""
    for point in sorted(entry_points(group=GROUP), key=lambda p: (p.name, p.value)):
        origin = f"entry point {point.name} of {point.dist.name if point.dist else 'an unknown package'}"
        for found in _from_entry_point(point, origin):
            yield replace(found, origin=origin)


def defined_in(module: ModuleType) -> list[Tool]:
    """The tools of a module that it (or a submodule of it) defines, not those that it imports from elsewhere."""
    inside = f"{module.__name__}."
    functions = {
        id(value): value
        for value in vars(module).values()
        if isinstance(getattr(value, ATTRIBUTE, None), Tool) and f"{value.__module__}.".startswith(inside)
    }
    return [of(function) for function in functions.values()]


class _SourceOnly(SourceFileLoader):
    """Reads the source each time and leaves no __pycache__ beside the user's file."""

    def get_code(self, fullname: str) -> CodeType:
        return self.source_to_code(self.get_data(self.path), self.path)


def _from_file(path: Path) -> list[Tool]:
    if not path.is_file():
        raise ToolLoadError(f"{path}: there is no such tool file")
    tools = defined_in(_import(path))
    if not tools:
        raise ToolLoadError(f"{path}: no function in it has @tool(effects={{...}})")
    return [replace(t, origin=f"{path}:{t.function.__code__.co_firstlineno}") for t in tools]


def _import(path: Path) -> ModuleType:
    name = f"_so8t_tool_file_{secrets.token_hex(8)}"  # nothing else can import, guess or shadow it
    spec = importlib.util.spec_from_file_location(name, path, loader=_SourceOnly(name, str(path)))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up there
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a tool file may raise anything; the program goes on with a clear error
        del sys.modules[name]
        raise ToolLoadError(f"{path}{_line(error, path)}: {_text(error)}") from None
    return module


def _line(error: BaseException, path: Path) -> str:
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return f":{error.lineno}"
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    return f":{lines[-1]}" if lines else ""


def _text(error: BaseException) -> str:
    return f"SyntaxError: {error.msg}" if isinstance(error, SyntaxError) else one_line(error)


def _from_entry_point(point: EntryPoint, origin: str) -> list[Tool]:
    try:
        value = point.load()
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a package may raise anything; the program goes on with a clear error
        raise ToolLoadError(f"{origin} ({point.value}): {_text(error)}") from None
    if isinstance(value, ModuleType):
        return defined_in(value)
    return [of(item) for item in (value if isinstance(value, list | tuple) else [value])]
