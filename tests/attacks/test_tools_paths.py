"""Attacks on the workspace: climbing out, links, swaps, special files. Nothing outside is read or written."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from so8t.tools.workspace import LinkInPath, NotARegularFile, OutsideWorkspace, Workspace, WorkspaceError

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs POSIX links, pipes and devices")

SECRET = b"the secret outside"


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "file").write_bytes(SECRET)
    return folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "workspace"
    folder.mkdir()
    return folder


@pytest.fixture
def workspace(root: Path) -> Workspace:
    return Workspace(root)


def read(workspace: Workspace, path: str) -> bytes:
    with workspace.open_read(path) as file:
        return file.read()


def test_climbing_and_absolute_paths_are_refused(workspace: Workspace, outside: Path) -> None:
    paths = ["../outside/file", "a/../../outside/file", "..", "/etc/passwd", str(outside / "file"), "//etc/passwd"]
    paths += ["..\\outside\\file", "\\etc\\passwd", "C:\\x", "c:x", "./../outside/file", "a\0b", "../workspace/x"]
    for path in paths:
        for attempt in (workspace.open_read, workspace.list, workspace.kind, lambda p: workspace.write(p, b"x", True)):
            with pytest.raises(OutsideWorkspace):
                attempt(path)
    assert (outside / "file").read_bytes() == SECRET


def test_links_that_lead_out_are_an_error(workspace: Workspace, root: Path, outside: Path) -> None:
    (root / "to_file").symlink_to(outside / "file")
    (root / "to_folder").symlink_to(outside)
    (root / "relative").symlink_to("../outside")
    (root / "twice").symlink_to("to_folder")
    for path in ("to_file", "to_folder/file", "relative/file", "twice/file"):
        with pytest.raises(LinkInPath):
            workspace.open_read(path)
        with pytest.raises(LinkInPath):
            workspace.write(path, b"x", overwrite=True)
    with pytest.raises(LinkInPath):
        workspace.list("to_folder")
    with pytest.raises(LinkInPath):
        workspace.write("to_folder/new", b"x")
    assert [file.name for file in outside.iterdir()] == ["file"]


def test_a_dangling_link_is_not_written_through(workspace: Workspace, root: Path, outside: Path) -> None:
    (root / "dangling").symlink_to(outside / "new")
    (root / "loop").symlink_to("loop")
    for name in ("dangling", "loop"):
        with pytest.raises(LinkInPath):
            workspace.write(name, b"x", overwrite=True)
        with pytest.raises(LinkInPath):
            workspace.write(name, b"x")
    assert not (outside / "new").exists()


def test_a_hard_link_to_a_file_outside_is_refused(workspace: Workspace, root: Path, outside: Path) -> None:
    os.link(outside / "file", root / "hard")
    with pytest.raises(NotARegularFile):
        workspace.open_read("hard")
    with pytest.raises(NotARegularFile):
        workspace.write("hard", b"x", overwrite=True)
    assert (outside / "file").read_bytes() == SECRET


def test_pipes_sockets_and_devices_neither_block_nor_open(workspace: Workspace, root: Path) -> None:
    os.mkfifo(root / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        here = Path.cwd()
        os.chdir(root)  # the name of a Unix socket must be short
        try:
            server.bind("socket")
        finally:
            os.chdir(here)
        for name in ("pipe", "socket"):
            with pytest.raises(NotARegularFile, match="pipe, a device or a socket"):
                workspace.open_read(name)
            with pytest.raises(NotARegularFile):
                workspace.write(name, b"x", overwrite=True)
    assert list(workspace.walk()) == []


def test_devices_and_descriptors_of_the_system_are_refused() -> None:
    for folder, names in (
        ("/dev", ["zero", "null", "fd/0", "stdin"]),
        ("/proc/self", ["fd/0", "cwd/x", "root/etc/passwd"]),
    ):
        if Path(folder).is_dir():
            workspace = Workspace(Path(folder))
            for name in names:
                with pytest.raises(WorkspaceError):
                    workspace.open_read(name)


def test_a_pipe_that_takes_the_place_of_a_file_does_not_block(workspace: Workspace, root: Path) -> None:
    """The file is looked at, then opened: what stands there by then is opened without waiting and looked at again."""
    (root / "file").write_bytes(b"x")
    os.mkfifo(root / "pipe")
    with swapping(root / "file", root / "pipe"):
        for _ in range(2000):
            with suppress(WorkspaceError):
                assert read(workspace, "file") in (b"x", b"")


def test_swapping_a_folder_for_a_link_never_leads_out(workspace: Workspace, root: Path, outside: Path) -> None:
    (root / "folder").mkdir()
    (root / "folder" / "file").write_bytes(b"harmless")
    (root / "link").symlink_to(outside)
    (outside / "only_outside").write_bytes(b"")
    seen: set[bytes] = set()
    with swapping(root / "folder", root / "link"):
        for number in range(2000):
            with suppress(WorkspaceError):
                seen.add(read(workspace, "folder/file"))
            if number % 20 == 0:  # a write waits for the disk
                with suppress(WorkspaceError):
                    workspace.write(f"folder/new{number % 100}", b"x", overwrite=True)
            with suppress(WorkspaceError):
                assert "only_outside" not in {entry.name for entry in workspace.list("folder")}
    assert seen <= {b"harmless"}
    assert {file.name for file in outside.iterdir()} == {"file", "only_outside"}


def test_swapping_a_file_for_a_link_never_leads_out(workspace: Workspace, root: Path, outside: Path) -> None:
    (root / "file").write_bytes(b"harmless")
    (root / "link").symlink_to(outside / "file")
    seen: set[bytes] = set()
    with swapping(root / "file", root / "link"):
        for number in range(2000):
            with suppress(WorkspaceError):
                seen.add(read(workspace, "file"))
            if number % 20 == 0:  # a write waits for the disk
                with suppress(WorkspaceError):
                    workspace.write("file", b"harmless", overwrite=True)
    assert SECRET not in seen
    assert (outside / "file").read_bytes() == SECRET


def test_two_writers_of_one_new_name_do_not_both_succeed(workspace: Workspace) -> None:
    for number in range(50):
        wins: list[int] = []
        start = threading.Barrier(4)

        def write(me: int, name: str, start: threading.Barrier = start, wins: list[int] = wins) -> None:
            start.wait()
            with suppress(WorkspaceError):
                workspace.write(name, str(me).encode())
                wins.append(me)

        threads = [threading.Thread(target=write, args=(me, f"new{number}")) for me in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(wins) == 1
        assert read(workspace, f"new{number}") == str(wins[0]).encode()


def test_names_that_look_like_options_are_only_names(workspace: Workspace) -> None:
    for name in ("-rf", "--help", "$(id)", "`id`", "a;b", "a|b", "*", "~", "%PATH%"):
        workspace.write(name, b"x")
        assert read(workspace, name) == b"x"


SWAPPER = """
import ctypes, os, sys
one, other = map(os.fsencode, sys.argv[1:])
exchange = getattr(ctypes.CDLL(None), "renameat2", None)
one_step = exchange is not None and exchange(-1, one, -1, other, 2) == 0  # 2: RENAME_EXCHANGE (Linux)
print("ready", flush=True)
while True:
    if one_step:
        exchange(-1, one, -1, other, 2)
    else:
        os.rename(one, one + b"-spare")
        os.rename(other, one)
        os.rename(one + b"-spare", other)
"""


@contextmanager
def swapping(one: Path, other: Path) -> Iterator[None]:
    """Another process that keeps exchanging two names as fast as it can."""
    with subprocess.Popen([sys.executable, "-c", SWAPPER, one, other], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            yield
        finally:
            process.kill()
