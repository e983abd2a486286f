"""The parser of the phrasing files, and the files themselves."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("transformers")

from so8t.training.mini import phrasing  # after importorskip: the extra may be absent
from so8t.training.mini.phrasing import Phrasing, PhrasingError


def parsed(text: str) -> list[Phrasing]:
    return list(phrasing.parse(text.splitlines(), "some.txt"))


def test_a_section_gives_its_lines_the_call() -> None:
    found = parsed('# a comment\n\n== read_file {"path": "{file}"}\ncat {file}\n  show {file} \n')
    assert [item.text for item in found] == ["cat {file}", "show {file}"]
    assert {item.tool for item in found} == {"read_file"}
    assert found[0].arguments == {"path": "{file}"}
    assert found[0].slots == {"file"}


def test_a_call_without_arguments_needs_no_object() -> None:
    assert parsed("== list_files\nls")[0] == parsed("== list_files {}\nls")[0] == Phrasing("ls", "list_files")


def test_a_reply_section_has_a_kind_and_no_tool() -> None:
    assert parsed("== reply small_talk\nhow are you?") == [Phrasing("how are you?", None, {}, "small_talk")]


def test_a_follow_up_names_the_tool_before_and_may_use_its_file() -> None:
    section = '== after read_file search_text {"text": "{text}", "path": "{prev}"}\nlook for {text} in it'
    found = parsed(section)[0]
    assert (found.after, found.tool) == ("read_file", "search_text")


def test_a_follow_up_with_one_tool_name_uses_that_tool_again() -> None:
    found = parsed('== after read_file {"path": "{file}"}\nand {file}?')[0]
    assert (found.after, found.tool) == ("read_file", "read_file")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cat {file}", "some.txt:1: a phrasing before the first section"),
        ("== raed_file {}\nx", "some.txt:1: unknown tool 'raed_file'; known: .*read_file"),
        ("== reply smalltalk\nx", "unknown kind of reply 'smalltalk'; known: small_talk"),
        ("== read_file {path}\nx", "some.txt:1: the arguments are no JSON object"),
        ("== read_file []\nx", "must be a JSON object"),
        ('== read_file {"path": "{file}"}\n\ncat it', r"some.txt:3: the line lacks \['file'\]"),
        ("== list_files {}\nlist {folder}", r"unknown slot \['folder'\]; known: .*dir"),
        ("== after \nx", "unknown tool"),
    ],
)
def test_a_line_that_cannot_be_understood_is_an_error_with_file_and_line(text: str, message: str) -> None:
    with pytest.raises(PhrasingError, match=message):
        parsed(text)


def test_a_folder_without_phrasings_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(PhrasingError, match="no phrasing"):
        phrasing.read_folder(tmp_path)


def test_every_phrasing_file_can_be_read_and_all_tools_and_kinds_of_reply_occur() -> None:
    found = phrasing.read_folder()
    assert {item.tool for item in found if item.tool} == set(phrasing.TOOLS)
    assert {item.reply for item in found if item.reply} == set(phrasing.REPLIES)
