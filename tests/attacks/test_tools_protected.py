"""Attacks on so8t's own files through the tools: configuration, head, database, keys, package, .git."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest

import so8t.gate
from so8t.tools import ToolError, Workspace
from so8t.tools.sqlite import snapshot
from so8t.tools.workspace import Protected, WorkspaceError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("agent.toml", "so8t.db", "heads/default/head.json", "keys/signing.key", "mine.txt"):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"original")
    return tmp_path


@pytest.fixture
def workspace(root: Path) -> Workspace:
    return Workspace(root, protected=[Path("heads")], secret=[root / "keys", Path("so8t.db"), Path("later.key")])


def attempts(name: str) -> list[str]:
    return [name, f"./{name}", f".//{name}", name.upper(), name.replace("e", "ｅ"), name.replace(".", "\u200b.", 1)]


@pytest.mark.parametrize(
    "name",
    [
        "agent.toml",
        "sub/agent.toml",
        "heads/default/head.json",
        "heads/new",
        "keys/signing.key",
        "keys/other",
        "so8t.db",
        "so8t.db-journal",
        "so8t.db-wal",
        "so8t.db-shm",
        "later.key",
        ".git/config",
        ".git/hooks/pre-commit",
        "sub/.git/x",
        ".git",
        "heads",
        "git~1/config",
        ".git./config",
        ".git /config",
    ],
)
def test_protected_files_are_never_written_whatever_the_spelling(workspace: Workspace, root: Path, name: str) -> None:
    before = {file: file.read_bytes() for file in root.rglob("*") if file.is_file()}
    for path in attempts(name):
        with pytest.raises(Protected, match="is protected"):
            workspace.write(path, b"changed", overwrite=True)
    assert {file: file.read_bytes() for file in root.rglob("*") if file.is_file()} == before


@pytest.mark.parametrize("name", ["keys/signing.key", "so8t.db", "so8t.db-wal", "later.key"])
def test_secrets_are_not_read_either(workspace: Workspace, name: str) -> None:
    for path in attempts(name):
        with pytest.raises(Protected):
            workspace.open_read(path)


def test_what_is_protected_but_not_secret_may_be_read(workspace: Workspace) -> None:
    with workspace.open_read("heads/default/head.json") as file:
        assert file.read() == b"original"
    with workspace.open_read("agent.toml") as file:
        assert file.read() == b"original"


def test_a_secret_folder_is_neither_listed_nor_walked(workspace: Workspace) -> None:
    with pytest.raises(Protected):
        workspace.list("keys")
    assert not [path for path in workspace.walk() if path.startswith("keys")]


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX links")
def test_a_renamed_secret_is_known_by_its_identity(workspace: Workspace, root: Path) -> None:
    (root / "keys").rename(root / "innocent")
    (root / "keys").symlink_to("innocent")
    with pytest.raises(Protected):
        workspace.open_read("innocent/signing.key")
    with pytest.raises(WorkspaceError):
        workspace.write("innocent/signing.key", b"x", overwrite=True)


def test_the_query_tool_does_not_open_the_trail(root: Path) -> None:
    (root / "so8t.db").unlink()
    with sqlite3.connect(root / "so8t.db") as connection:
        connection.execute("CREATE TABLE record(x)")
    connection.close()
    workspace = Workspace(root, secret=[root / "so8t.db"])
    with pytest.raises(ToolError, match="is protected"), snapshot(workspace, "so8t.db"):
        pass


def test_a_workspace_inside_the_installed_package_is_wholly_protected() -> None:
    package = Path(so8t.gate.__file__).parent
    workspace = Workspace(package, protected=[package.resolve().parent])
    with pytest.raises(Protected):
        workspace.write("new_module.py", b"")


def test_the_rest_of_the_workspace_is_free(workspace: Workspace, root: Path) -> None:
    workspace.write("mine.txt", b"new", overwrite=True)
    for name in ("agent.toml.md", "heads2/x", "keyset.txt", ".gitignore", "so8t.db.md", "agent_toml"):
        workspace.write(name, b"x")
    assert (root / "mine.txt").read_bytes() == b"new"
