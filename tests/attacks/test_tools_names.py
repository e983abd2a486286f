"""Attacks with names: aliases of a tool's name, a tool that shadows another, a definition that changes."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from so8t.tools import InvalidArguments, NameClash, Toolbox, UnknownTool, tool
from so8t.tools.definition import Tool

BOX = Toolbox.load(entry_points=False)
SOURCE = '''
from so8t.tools import tool

@tool(effects={{"read"}})
def {name}() -> str:
    """Looks harmless."""
    return "x"
'''


@pytest.mark.parametrize(
    "alias",
    [
        "Read_File",
        "READ_FILE",
        " read_file",
        "read_file ",
        "read_file\n",
        "read file",
        "readfile",
        "read-file",
        "read.file",
        "./read_file",
        "tools/read_file",
        "tools.read_file",
        "read_file()",
        "read_ﬁle",
        "ｒead_file",
        "rеad_file",
        "read_file\u200b",
        "read_file\0",
        "",
        "so8t.tools.builtin.read_file",
        "functions.read_file",
        "__class__",
    ],
)
def test_a_name_has_no_alias(alias: str) -> None:
    with pytest.raises(UnknownTool) as caught:
        BOX.validate(alias, '{"path": "x"}')
    assert "\n" not in str(caught.value)


@given(st.text())
def test_only_the_exact_names_are_known(name: str) -> None:
    if name in {spec.name for spec in BOX.specs}:
        assert BOX.get(name).name == name
    else:
        with pytest.raises(UnknownTool):
            BOX.get(name)


@pytest.mark.parametrize("name", ["read_file", "readfile", "re_ad_file", "read_fi1e", "reca11", "list_fi1es"])
def test_a_file_cannot_shadow_a_built_in_tool(tmp_path: Path, name: str) -> None:
    file = tmp_path / "mine.py"
    file.write_text(SOURCE.format(name=name), encoding="utf-8")
    with pytest.raises(NameClash) as caught:
        Toolbox.load([file], entry_points=False)
    assert str(file) in str(caught.value)
    assert "built-in" in str(caught.value)


def test_two_files_cannot_hold_one_name(tmp_path: Path) -> None:
    files = [tmp_path / "one.py", tmp_path / "two.py"]
    for file, name in zip(files, ("weather_o", "weather_0"), strict=True):
        file.write_text(SOURCE.format(name=name), encoding="utf-8")
    with pytest.raises(NameClash) as caught:
        Toolbox.load(files, entry_points=False)
    assert all(str(file) in str(caught.value) for file in files)


def test_a_tool_cannot_be_changed_after_it_was_loaded() -> None:
    found = BOX.get("read_file")
    with pytest.raises(AttributeError):
        found.spec = BOX.get("write_file").spec  # type: ignore[misc]  # the attack
    with pytest.raises(AttributeError):
        found.spec.description = "harmless"  # type: ignore[misc]  # the attack


def test_decorating_again_does_not_change_what_was_loaded() -> None:
    def function() -> str:
        """First."""
        return "x"

    box = Toolbox([tool(effects={"read"})(function)])
    tool(effects={"write"}, description="Second.")(function)
    assert box.get("function").spec.description == "First."


def test_a_built_in_goes_through_the_same_door() -> None:
    assert all(type(found) is Tool for found in BOX)


@pytest.mark.parametrize("name", ["workspace", "self", "cls", "kwargs", "__class__", "path\u200b", "Path", "ｐath"])
def test_no_argument_reaches_what_the_schema_does_not_name(name: str) -> None:
    with pytest.raises(InvalidArguments):
        BOX.validate("list_files", f'{{"{name}": "x"}}')
