"""list_files, read_file, write_file, search_text, run as the agent runs them."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest

from so8t.tools import InvalidArguments, Outcome

Run = Callable[..., Outcome]


def put(root: Path, path: str, content: str | bytes, encoding: str = "utf-8") -> None:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))


def test_list_files_shows_names_and_sizes(run_tool: Run, root: Path) -> None:
    put(root, "b.txt", "x" * 1234)
    put(root, "日本/ファイル.md", "")
    assert run_tool("list_files").output == "b.txt  (1,234 bytes)\n日本/"
    assert run_tool("list_files", path="日本").output == "ファイル.md  (0 bytes)"


def test_list_files_says_when_there_is_nothing(run_tool: Run, root: Path) -> None:
    assert run_tool("list_files").output == "the folder is empty"
    assert run_tool("list_files", path="nowhere").status == "error"


def test_list_files_shows_at_most_500(run_tool: Run, root: Path) -> None:
    for number in range(503):
        put(root, f"{number:03}", "")
    lines = run_tool("list_files").output.splitlines()
    assert (len(lines), lines[-1]) == (501, "… and 3 more")


def test_read_file_shows_the_text(run_tool: Run, root: Path) -> None:
    put(root, "a.txt", "one\ntwo\n三\n")
    assert run_tool("read_file", path="a.txt").output == "one\ntwo\n三\n"
    assert run_tool("read_file", path="a.txt", start_line=3).output == "三\n"


def test_read_file_opens_the_other_unicode_form(run_tool: Run, root: Path) -> None:
    put(root, unicodedata.normalize("NFD", "がぎぐ.txt"), "中身")
    assert run_tool("read_file", path=unicodedata.normalize("NFC", "がぎぐ.txt")).output == "中身"


def test_read_file_goes_on_where_it_stopped(run_tool: Run, root: Path) -> None:
    lines = [f"line {number} あいうえお\n" for number in range(1, 3001)]
    put(root, "long.txt", "".join(lines))
    start, text = 1, ""
    while True:
        outcome = run_tool("read_file", path="long.txt", start_line=start)
        assert not outcome.truncated
        shown, _, note = outcome.output.partition("\n[lines ")
        text += shown
        if not note:
            break
        start = int(note.rpartition(" ")[2].rstrip("]"))
    assert text == "".join(lines)


def test_read_file_cuts_a_single_endless_line_and_says_so(run_tool: Run, root: Path) -> None:
    put(root, "long.txt", "x" * 100_000)
    outcome = run_tool("read_file", path="long.txt")
    assert outcome.truncated
    assert "bytes are not shown" in outcome.output


def test_read_file_counts_lines_as_editors_do(run_tool: Run, root: Path) -> None:
    put(root, "a.txt", "one\x0cstill one\u2028still\r\ntwo")
    assert run_tool("read_file", path="a.txt", start_line=2).output == "two"


@pytest.mark.parametrize("encoding", ["euc_jp", "cp932", "iso2022_jp"])
def test_read_file_reads_old_japanese_encodings_and_says_so(run_tool: Run, root: Path, encoding: str) -> None:
    put(root, "a.txt", "これは日本語の文章です。", encoding)
    assert run_tool("read_file", path="a.txt").output == (
        f"これは日本語の文章です。\n[read as {encoding}: it is not UTF-8]"
    )


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_read_file_reads_files_with_a_byte_order_mark(run_tool: Run, root: Path, encoding: str) -> None:
    put(root, "a.txt", "日本", encoding)
    assert run_tool("read_file", path="a.txt").output == "日本"


def test_read_file_does_not_take_western_text_for_japanese(run_tool: Run, root: Path) -> None:
    put(root, "a.txt", "déjà vu, naïve café", "latin-1")
    assert run_tool("read_file", path="a.txt").output.startswith("déjà vu, naïve café\n[read as cp1252")


def test_read_file_of_what_is_no_text_or_not_there(run_tool: Run, root: Path) -> None:
    put(root, "a.bin", b"\x7fELF\0\0")
    put(root, "a.txt", "one\n")
    put(root, "empty", "")
    assert "binary" in run_tool("read_file", path="a.bin").output
    assert run_tool("read_file", path="a.txt", start_line=9).output == "'a.txt' has only 1 lines"
    assert run_tool("read_file", path="empty").output == "the file is empty"
    assert run_tool("read_file", path="b.txt").output.startswith("there is no 'b.txt'; nearest: a.txt")
    with pytest.raises(InvalidArguments, match="start_line"):
        run_tool("read_file", path="a.txt", start_line=0)


def test_write_file_creates_and_replaces(run_tool: Run, root: Path) -> None:
    assert (
        run_tool("write_file", path="新しい/メモ.md", content="日本\r\n").output == "created 新しい/メモ.md (8 bytes)"
    )
    assert (root / "新しい" / "メモ.md").read_bytes() == "日本\r\n".encode()
    assert run_tool("write_file", path="新しい/メモ.md", content="x").status == "error"
    assert run_tool("write_file", path="新しい/メモ.md", content="x", overwrite=True).output.startswith("replaced")


def test_search_text_shows_file_and_line(run_tool: Run, root: Path) -> None:
    put(root, "a.txt", "one\n  Two words\n")
    put(root, "d/b.txt", "two\n")
    assert run_tool("search_text", text="two").output == "a.txt:2: Two words\nd/b.txt:1: two"
    assert run_tool("search_text", text="Two").output == "a.txt:2: Two words"
    assert run_tool("search_text", text="two", path="d").output == "d/b.txt:1: two"
    assert run_tool("search_text", text="two", path="d/b.txt").output == "d/b.txt:1: two"
    assert run_tool("search_text", text="three").output == "'three' was not found in ."


def test_search_text_is_literal(run_tool: Run, root: Path) -> None:
    put(root, "a.txt", "a.c\nabc\n[x]*\n")
    assert run_tool("search_text", text="a.c").output == "a.txt:1: a.c"
    assert run_tool("search_text", text="[x]*").output == "a.txt:3: [x]*"


def test_search_text_finds_japanese_in_any_form_and_encoding(run_tool: Run, root: Path) -> None:
    put(root, "a.txt", unicodedata.normalize("NFD", "ガイド"))
    put(root, "b.txt", "ガイドです。これは古い", "cp932")
    found = run_tool("search_text", text="ガイド").output.splitlines()
    assert [line.split(":")[0] for line in found] == ["a.txt", "b.txt"]


def test_search_text_skips_binaries_and_git(run_tool: Run, root: Path) -> None:
    put(root, "a.bin", b"word\0")
    put(root, ".git/config", "word")
    put(root, "a.txt", "word")
    assert run_tool("search_text", text="word").output == "a.txt:1: word"


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX links")
def test_search_text_says_what_it_could_not_read(run_tool: Run, root: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").write_text("word", encoding="utf-8")
    os.link(tmp_path / "outside", root / "hard")
    output = run_tool("search_text", text="word").output
    assert output.startswith("'word' was not found in .\n[1 not searched: 'hard' has a second name")


def test_search_text_stops_after_200_lines(run_tool: Run, root: Path) -> None:
    put(root, "a.txt", "word\n" * 1000)
    lines = run_tool("search_text", text="word").output.splitlines()
    assert (len(lines), lines[-1]) == (201, "[stopped after 200 lines: look for something rarer]")


def test_search_text_refuses_nothing(run_tool: Run) -> None:
    assert run_tool("search_text", text=" ").output == "the text to look for is empty"
    assert run_tool("search_text", text="x", path="nowhere").status == "error"
