"""The toolbox: built-ins, files, packages; names."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from so8t.tools import NameClash, Toolbox, ToolLoadError, UnknownTool

GOOD = '''
from so8t.tools import tool

@tool(effects={"read"})
def weather(city: str) -> str:
    """The weather in a city."""
    return f"sunny in {city}"
'''
BUILT_IN = [
    "calculator",
    "current_time",
    "http_get",
    "list_files",
    "read_file",
    "recall",
    "remember",
    "search_text",
    "sqlite_query",
    "write_file",
]


def load(*paths: Path) -> Toolbox:
    return Toolbox.load(paths, entry_points=False)


def put(folder: Path, text: str, name: str = "mine.py") -> Path:
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


def test_the_built_in_tools_are_there() -> None:
    box = Toolbox.load(entry_points=False)
    assert [spec.name for spec in box.specs] == BUILT_IN
    assert {spec.name for spec in box.specs if not spec.only_reads} == {"http_get", "remember", "write_file"}


def test_every_tool_of_a_file_is_loaded(tmp_path: Path) -> None:
    box = load(put(tmp_path, GOOD + GOOD.replace("weather", "forecast")))
    assert [spec.name for spec in box.specs] == [*BUILT_IN, "weather", "forecast"]
    assert box.get("weather").origin == f"{tmp_path / 'mine.py'}:4"


def test_a_folder_stands_for_its_files(tmp_path: Path) -> None:
    put(tmp_path, GOOD, "b.py")
    put(tmp_path, GOOD.replace("weather", "forecast"), "a.py")
    put(tmp_path, "raise SystemExit", "_helper.py")
    assert [spec.name for spec in load(tmp_path).specs][-2:] == ["forecast", "weather"]


def test_what_a_file_imports_is_not_loaded_again(tmp_path: Path) -> None:
    file = put(tmp_path, "from so8t.tools.builtin.read_file import read_file as borrowed\n" + GOOD)
    assert len(load(file)) == len(BUILT_IN) + 1


def test_an_edited_file_is_read_anew(tmp_path: Path) -> None:
    assert "weather" in load(put(tmp_path, GOOD))
    assert "weathex" in load(put(tmp_path, GOOD.replace("weather", "weathex")))  # same size, same second
    assert not (tmp_path / "__pycache__").exists()


def test_a_tool_file_may_use_dataclasses_and_postponed_annotations(tmp_path: Path) -> None:
    text = '''
from __future__ import annotations
from dataclasses import dataclass
from so8t.tools import tool

@dataclass
class Size:
    width: int

@tool(effects={"read"})
def area(size: Size) -> int:
    """The area of a square."""
    return size.width**2
'''
    assert load(put(tmp_path, text)).validate("area", '{"size": {"width": 3}}').arguments == {"size": {"width": 3}}


def test_a_tool_file_gets_no_name_that_others_could_import(tmp_path: Path) -> None:
    before = set(sys.modules)
    load(put(tmp_path, GOOD))
    added = set(sys.modules) - before
    assert "mine" not in sys.modules
    assert all(name.startswith("_so8t_tool_file_") for name in added if not name.startswith("so8t."))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1\n1 / 0\n", r"mine\.py:2: ZeroDivisionError: division by zero"),
        ("def f(:\n", r"mine\.py:1: SyntaxError"),
        ("import no_such_module_here\n", r"mine\.py:1: ModuleNotFoundError"),
        ("raise SystemExit(3)\n", r"mine\.py:1: SystemExit: 3"),
        (
            "class Odd(Exception):\n    def __str__(self):\n        return 1 / 0\nraise Odd\n",
            r"mine\.py:4: Odd: \(its text cannot be read\)",
        ),
        ("x = 1\n", r"mine\.py: no function in it has @tool"),
        (GOOD.replace('{"read"}', '{"reads"}'), r"mine\.py:4: ToolDefinitionError: .*'reads' is no effect"),
        ("\0", r"mine\.py.*: (SyntaxError|ValueError)"),
    ],
)
def test_a_bad_tool_file_is_named_with_line_and_reason(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ToolLoadError, match=message) as caught:
        load(put(tmp_path, text))
    assert "\n" not in str(caught.value)
    assert "Traceback" not in str(caught.value)


def test_a_file_that_is_no_utf8_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_bytes(b"x = '\xff'\n")
    with pytest.raises(ToolLoadError, match=r"mine\.py"):
        load(tmp_path / "mine.py")


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ToolLoadError, match="no such tool file"):
        load(tmp_path / "nowhere.py")


def test_a_failed_file_leaves_no_module_behind(tmp_path: Path) -> None:
    before = set(sys.modules)
    with pytest.raises(ToolLoadError):
        load(put(tmp_path, "1 / 0"))
    assert not {name for name in set(sys.modules) - before if name.startswith("_so8t")}


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that Python takes for one with an installed package `so8t_test_package`."""
    info = tmp_path / "so8t_test_package-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: so8t-test-package\nVersion: 1.0\n", encoding="utf-8")
    put(tmp_path, GOOD + "\ntwo = [weather]\n", "so8t_test_package.py")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "so8t_test_package", raising=False)
    return info


@pytest.mark.parametrize("value", ["so8t_test_package", "so8t_test_package:weather", "so8t_test_package:two"])
def test_an_installed_package_offers_tools(package: Path, value: str) -> None:
    put(package, f"[so8t.tools]\nsky = {value}\n", "entry_points.txt")
    tool = Toolbox.load().get("weather")
    assert tool.origin == "entry point sky of so8t-test-package"
    assert "weather" not in Toolbox.load(entry_points=False)


def test_a_broken_package_is_named(package: Path) -> None:
    put(package, "[so8t.tools]\nsky = so8t_test_package:nothing\n", "entry_points.txt")
    with pytest.raises(ToolLoadError, match=r"entry point sky of so8t-test-package .*AttributeError"):
        Toolbox.load()


def test_an_entry_point_that_is_no_tool_is_named(package: Path) -> None:
    put(package, "[so8t.tools]\nsky = so8t_test_package:__name__\n", "entry_points.txt")
    with pytest.raises(ToolLoadError, match="is no tool"):
        Toolbox.load()


def test_tools_can_be_enabled_and_disabled_by_name() -> None:
    box = Toolbox.load(entry_points=False, enabled=["read_file", "calculator"], disabled=["read_file"])
    assert [spec.name for spec in box.specs] == ["calculator"]


@pytest.mark.parametrize("choice", [{"enabled": ["read_fil"]}, {"disabled": ["read_fil"]}])
def test_an_unknown_name_in_the_choice_is_an_error(choice: dict[str, list[str]]) -> None:
    with pytest.raises(UnknownTool, match="'read_fil'; valid names: read_file"):
        Toolbox.load(entry_points=False, **choice)  # type: ignore[arg-type]  # mypy cannot match the ** to the names


def test_a_disabled_tool_still_keeps_its_name_from_others(tmp_path: Path) -> None:
    file = put(tmp_path, GOOD.replace("weather", "read_file"))
    with pytest.raises(NameClash):
        Toolbox.load([file], entry_points=False, disabled=["read_file"])


def test_tools_whose_resources_are_missing_are_not_offered() -> None:
    box = Toolbox.load(entry_points=False).usable_with([])
    assert [spec.name for spec in box.specs] == ["calculator", "current_time"]
