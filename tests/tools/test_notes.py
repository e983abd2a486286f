"""remember and recall."""

from __future__ import annotations

import json
import stat
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from so8t.tools import Outcome
from so8t.tools.notes import Notes, NotesFault

Run = Callable[..., Outcome]


def test_what_was_remembered_is_recalled_newest_first(run_tool: Run) -> None:
    run_tool("remember", note="The wifi code is 4471")
    run_tool("remember", note="姉の誕生日は五月三日")
    lines = run_tool("recall").output.splitlines()
    assert [line.partition("  ")[2] for line in lines] == ["姉の誕生日は五月三日", "The wifi code is 4471"]


def test_all_words_must_match_in_any_case_and_width(run_tool: Run) -> None:
    run_tool("remember", note="The WiFi code is 4471")
    for query in ("wifi", "CODE wifi", "ＷＩＦＩ ４４７１"):
        assert run_tool("recall", query=query).output.endswith("The WiFi code is 4471")
    assert run_tool("recall", query="wifi password").output == "no note holds 'wifi password'"


def test_without_notes_recall_says_so(run_tool: Run) -> None:
    assert run_tool("recall").output == "there are no notes yet"


def test_an_empty_or_endless_note_is_refused(run_tool: Run) -> None:
    assert run_tool("remember", note="  ").output == "the note is empty"
    assert "longer than" in run_tool("remember", note="x" * 10_001).output
    assert run_tool("recall").output == "there are no notes yet"


def test_a_note_with_line_breaks_stays_one_note(run_tool: Run, tmp_path: Path) -> None:
    run_tool("remember", note='one\ntwo\u2028three "quoted"')
    assert [note.text for note in Notes(tmp_path / "data" / "notes.jsonl").all()] == ['one\ntwo\u2028three "quoted"']


def test_recall_shows_at_most_fifty(tmp_path: Path, run_tool: Run) -> None:
    notes = Notes(tmp_path / "data" / "notes.jsonl")
    for number in range(53):
        notes.add(f"note {number}")
    assert run_tool("recall").output.splitlines()[-1] == "… and 3 older ones"


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX file modes")
def test_only_the_owner_can_read_the_notes(tmp_path: Path) -> None:
    notes = Notes(tmp_path / "new" / "notes.jsonl")
    notes.add("x")
    assert stat.S_IMODE(notes.file.stat().st_mode) == 0o600
    assert stat.S_IMODE(notes.file.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("line", ["not json", "[]", '{"note": "x"}', '{"at": "yesterday", "note": "x"}', "null"])
def test_a_damaged_line_is_named(tmp_path: Path, line: str) -> None:
    notes = Notes(tmp_path / "notes.jsonl")
    notes.add("good")
    with notes.file.open("a", encoding="utf-8") as file:
        file.write(line + "\n")
    with pytest.raises(NotesFault, match=r"line 2 of .* is damaged"):
        notes.all()


def test_a_file_that_cannot_be_used_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "notes.jsonl").mkdir()
    with pytest.raises(NotesFault, match="cannot be read"):
        Notes(tmp_path / "notes.jsonl").all()
    with pytest.raises(NotesFault, match="cannot be stored"):
        Notes(tmp_path / "notes.jsonl").add("x")
    (tmp_path / "file").write_bytes(b"\xff")
    with pytest.raises(NotesFault):
        Notes(tmp_path / "file").all()


def test_many_writers_lose_nothing(tmp_path: Path) -> None:
    file = tmp_path / "notes.jsonl"
    threads = [threading.Thread(target=lambda: [Notes(file).add("x" * 5000) for _ in range(5)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(file.read_text(encoding="utf-8").splitlines()) == 40
    assert all(json.loads(line)["note"] == "x" * 5000 for line in file.read_text(encoding="utf-8").splitlines())
