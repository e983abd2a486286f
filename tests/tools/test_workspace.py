"""The workspace, on both of its ways to open folders: by descriptor (POSIX) and by checked path (elsewhere)."""

from __future__ import annotations

import errno
import os
import stat
import threading
import unicodedata
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from so8t.tools.workspace import (
    AccessFailed,
    AlreadyExists,
    LinkInPath,
    NotAFolder,
    NotARegularFile,
    NotFound,
    OutsideWorkspace,
    Workspace,
    WorkspaceError,
)
from so8t.tools.workspace.folder import Folder, open_folder
from so8t.tools.workspace.path_folder import PathFolder
from so8t.tools.workspace.paths import split

posix = pytest.mark.skipif(os.name == "nt", reason="needs POSIX file modes")


@pytest.fixture(params=[open_folder, PathFolder.at], ids=["descriptors", "paths"])
def workspace(request: pytest.FixtureRequest, root: Path) -> Workspace:
    opener: Callable[[Path], Folder] = request.param
    return Workspace(root, opener=opener)


def read(workspace: Workspace, path: str) -> bytes:
    with workspace.open_read(path) as file:
        return file.read()


def test_what_was_written_is_read(workspace: Workspace) -> None:
    assert workspace.write("notes.md", b"one") is False
    assert read(workspace, "notes.md") == b"one"


def test_missing_folders_are_made(workspace: Workspace, root: Path) -> None:
    workspace.write("a/b/c.txt", b"x")
    assert (root / "a" / "b" / "c.txt").read_bytes() == b"x"


@pytest.mark.parametrize("path", ["./a.txt", "a.txt", ".//a.txt", "b/../a.txt"])
def test_paths_may_hold_dots_but_never_climb(workspace: Workspace, path: str) -> None:
    workspace.write("a.txt", b"x")
    if ".." in path:
        with pytest.raises(OutsideWorkspace):
            workspace.open_read(path)
    else:
        assert read(workspace, path) == b"x"


def test_an_existing_file_is_not_overwritten_unless_asked(workspace: Workspace) -> None:
    workspace.write("a.txt", b"old")
    with pytest.raises(AlreadyExists, match="set overwrite to true"):
        workspace.write("a.txt", b"new")
    assert read(workspace, "a.txt") == b"old"
    assert workspace.write("a.txt", b"new", overwrite=True) is True
    assert read(workspace, "a.txt") == b"new"


def test_nothing_but_the_file_is_left_behind(workspace: Workspace, root: Path) -> None:
    workspace.write("a.txt", b"old")
    workspace.write("a.txt", b"new", overwrite=True)
    with pytest.raises(AlreadyExists):
        workspace.write("a.txt", b"newer")
    assert os.listdir(root) == ["a.txt"]  # noqa: PTH208 - names only


@posix
def test_replacing_keeps_the_mode(workspace: Workspace, root: Path) -> None:
    workspace.write("run.sh", b"old")
    (root / "run.sh").chmod(0o750)
    workspace.write("run.sh", b"new", overwrite=True)
    assert stat.S_IMODE((root / "run.sh").stat().st_mode) == 0o750


@posix
def test_a_read_only_file_is_not_replaced(workspace: Workspace, root: Path) -> None:
    workspace.write("a.txt", b"old")
    (root / "a.txt").chmod(0o444)
    with pytest.raises(AccessFailed, match="read-only"):
        workspace.write("a.txt", b"new", overwrite=True)
    assert read(workspace, "a.txt") == b"old"


def test_a_full_disk_leaves_the_old_file_whole(
    workspace: Workspace, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace.write("a.txt", b"old")

    def full(fd: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(AccessFailed, match="No space left"):
        workspace.write("a.txt", b"new", overwrite=True)
    assert read(workspace, "a.txt") == b"old"
    assert os.listdir(root) == ["a.txt"]  # noqa: PTH208 - names only


def test_a_missing_file_names_the_nearest(workspace: Workspace) -> None:
    workspace.write("notes.md", b"")
    workspace.write("other.txt", b"")
    with pytest.raises(NotFound, match=r"there is no 'note\.md'; nearest: notes\.md"):
        workspace.open_read("note.md")


def test_a_folder_is_no_file_and_a_file_no_folder(workspace: Workspace) -> None:
    workspace.write("d/a.txt", b"")
    for path in ("d", ".", "d/", ""):
        with pytest.raises(WorkspaceError):
            workspace.open_read(path)
        with pytest.raises(WorkspaceError):
            workspace.write(path, b"", overwrite=True)
    with pytest.raises(NotAFolder):
        workspace.open_read("d/a.txt/b")
    with pytest.raises(NotAFolder):
        workspace.list("d/a.txt")


def test_list_tells_names_kinds_and_sizes(workspace: Workspace, root: Path) -> None:
    workspace.write("b.txt", b"12345")
    workspace.write("a/x", b"")
    entries = [(entry.name, entry.kind) for entry in workspace.list()]
    assert entries == [("a", "folder"), ("b.txt", "file")]
    assert workspace.list()[1].size == 5
    assert [entry.name for entry in workspace.list("a")] == ["x"]


def test_walk_visits_every_file_once_but_not_git(workspace: Workspace, root: Path) -> None:
    for path in ("a.txt", "d/b.txt", "d/e/c.txt"):
        workspace.write(path, b"")
    (root / ".git").mkdir()
    (root / ".git" / "config").write_bytes(b"")
    assert list(workspace.walk()) == ["a.txt", "d/b.txt", "d/e/c.txt"]
    assert list(workspace.walk("d")) == ["d/b.txt", "d/e/c.txt"]


def test_links_are_listed_but_neither_read_nor_walked(workspace: Workspace, root: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(b"secret")
    (root / "folder").symlink_to(outside)
    (root / "file").symlink_to(outside / "secret")
    assert {entry.name: entry.kind for entry in workspace.list()} == {"folder": "link", "file": "link"}
    assert list(workspace.walk()) == []
    for path in ("folder/secret", "file"):
        with pytest.raises(LinkInPath):
            workspace.open_read(path)
        with pytest.raises(LinkInPath):
            workspace.write(path, b"x", overwrite=True)
    assert (outside / "secret").read_bytes() == b"secret"


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_japanese_names_are_found_in_either_unicode_form(workspace: Workspace, root: Path, form: str) -> None:
    name = "プログラム/がぎぐ.txt"
    on_disk = root / unicodedata.normalize(form, name)  # type: ignore[arg-type]  # one of the four forms
    on_disk.parent.mkdir()
    on_disk.write_bytes(b"x")
    for asked in (unicodedata.normalize("NFC", name), unicodedata.normalize("NFD", name)):
        assert read(workspace, asked) == b"x"
        workspace.write(asked, b"x", overwrite=True)
    assert len(list(on_disk.parent.iterdir())) == 1


def test_a_replaced_workspace_folder_is_noticed(workspace: Workspace, root: Path) -> None:
    root.rename(root.with_name("moved"))
    root.mkdir()
    with pytest.raises(OutsideWorkspace, match="was replaced"):
        workspace.list()


def test_a_workspace_needs_a_folder(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        Workspace(tmp_path / "nowhere")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(NotAFolder):
        Workspace(tmp_path / "file")


def test_a_name_that_is_too_long_is_an_error(workspace: Workspace) -> None:
    with pytest.raises(WorkspaceError):
        workspace.write("a" * 300, b"")
    with pytest.raises(WorkspaceError):
        workspace.open_read("a" * 300)


def test_a_name_with_a_lone_surrogate_is_an_error(workspace: Workspace) -> None:
    with pytest.raises(WorkspaceError):
        workspace.open_read("\ud800")


def test_a_hard_linked_file_is_refused(workspace: Workspace, root: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    os.link(tmp_path / "secret", root / "innocent")
    with pytest.raises(NotARegularFile, match="second name"):
        workspace.open_read("innocent")
    with pytest.raises(NotARegularFile, match="second name"):
        workspace.write("innocent", b"x", overwrite=True)


@pytest.mark.parametrize(
    "path",
    [
        "C:x",
        "c:\\x",
        "C:/x",
        "a:stream",
        "a\\..\\..\\b",
        "\\x",
        "\\\\server\\share\\x",
        "//server/x",
        "con",
        "NUL.txt",
        "com1",
        "LPT¹",
        "d/aux.c",
        "a.",
        "a ",
        "d./x",
        "..\\x",
        "\\\\?\\C:\\x",
        "CONIN$",
    ],
)
def test_windows_spellings_are_refused_on_windows(path: str) -> None:
    with pytest.raises(OutsideWorkspace):
        split(path, windows=True)


def test_backslashes_separate_on_windows() -> None:
    assert split("a\\b/c", windows=True) == ("a", "b", "c")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
@given(st.lists(st.sampled_from(["..", ".", "", "a", "/", "\\", "C:", "~", "\0", "日", "in", "-rf", "*"]), max_size=8))
def test_no_path_ever_reaches_outside(tmp_path_factory: pytest.TempPathFactory, pieces: list[str]) -> None:
    base = tmp_path_factory.mktemp("base")
    root = base / "a" / "in"
    root.mkdir(parents=True)
    workspace = Workspace(root)
    for path in ("/".join(pieces), "".join(pieces)):
        with suppress(WorkspaceError):
            workspace.write(path, b"x", overwrite=True)
    outside = [file for file in base.rglob("*") if file.is_file() and not file.is_relative_to(root)]
    assert outside == []


@pytest.mark.skipif(os.name == "nt", reason="Windows does not delete a file that is open")
def test_a_file_that_another_program_removes_at_that_moment_is_not_found(tmp_path: Path) -> None:
    workspace, stop = Workspace(tmp_path), threading.Event()

    def flicker() -> None:
        while not stop.is_set():
            (tmp_path / "journal").write_bytes(b"x")
            (tmp_path / "journal").unlink()

    other = threading.Thread(target=flicker)
    other.start()
    try:
        for _ in range(2000):
            with suppress(NotFound), workspace.open_read("journal") as file:  # any other error fails the test
                file.read()
    finally:
        stop.set()
        other.join()
