"""Attacks through SQL: nothing is written, attached, loaded or computed without end."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from so8t.tools import ToolError, Workspace
from so8t.tools.sqlite import run, snapshot


@pytest.fixture
def query(tmp_path: Path) -> Callable[[str], str]:
    with closing(sqlite3.connect(tmp_path / "a.db")) as connection:
        connection.execute("CREATE TABLE t(a)")
        connection.execute("INSERT INTO t VALUES(1)")
        connection.execute("CREATE TRIGGER r AFTER UPDATE ON t BEGIN DELETE FROM t; END")
        connection.commit()

    def ask(text: str) -> str:
        with snapshot(Workspace(tmp_path), "a.db") as copy:
            return str(run(copy, text, seconds=0.3).rows)

    return ask


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO t VALUES(2)",
        "INSERT INTO t VALUES(2) RETURNING a",
        "DELETE FROM t RETURNING a",
        "UPDATE t SET a = 2",
        "REPLACE INTO t VALUES(3)",
        "WITH x AS (SELECT 1) DELETE FROM t",
        "DROP TABLE t",
        "CREATE TABLE u(a)",
        "CREATE TEMP TABLE u(a)",
        "CREATE VIRTUAL TABLE f USING fts5(a)",
        "ALTER TABLE t RENAME TO u",
        "VACUUM",
        "VACUUM INTO 'copy.db'",
        "REINDEX",
        "ANALYZE",
        "ATTACH 'other.db' AS other",
        "ATTACH ':memory:' AS other",
        "DETACH main",
        "BEGIN",
        "COMMIT",
        "SAVEPOINT x",
        "PRAGMA query_only = OFF",
        "PRAGMA writable_schema = ON",
        "PRAGMA journal_mode = WAL",
        "PRAGMA user_version = 5",
        "PRAGMA temp_store_directory = '/tmp'",
        "PRAGMA trusted_schema = ON",
        "PRAGMA wal_checkpoint",
        "SELECT load_extension('evil')",
        "SELECT writefile('x', 'y')",
        "SELECT readfile('/etc/passwd')",
        "SELECT fts3_tokenizer('simple')",
        "SELECT 1; DELETE FROM t",
        "SELECT 1; SELECT 2",
    ],
)
def test_statements_that_do_more_than_read_are_refused(
    query: Callable[[str], str], tmp_path: Path, statement: str
) -> None:
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    with pytest.raises(ToolError) as caught:
        query(statement)
    assert "\n" not in str(caught.value)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


@pytest.mark.parametrize(
    "statement",
    [
        "WITH RECURSIVE r(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM r) SELECT COUNT(*) FROM r",
        "WITH RECURSIVE r(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM r) SELECT i FROM r WHERE i < 0",
        "SELECT zeroblob(1000000000)",
        "SELECT randomblob(1000000000)",
        "SELECT replace(hex(zeroblob(400000)), '0', hex(zeroblob(1000)))",
        "SELECT " + "||".join(["printf('%.*c', 2000000000, 'x')"] * 100),
        "SELECT " + ",".join(["randomblob(999999)"] * 1500),
        "WITH RECURSIVE r(s) AS (SELECT 'x' UNION ALL SELECT s || s FROM r) SELECT length(s) FROM r",
        "SELECT " + "(" * 5000 + "1" + ")" * 5000,
    ],
)
def test_bombs_end_with_an_error(query: Callable[[str], str], statement: str) -> None:
    with pytest.raises(ToolError):
        query(statement)


def test_a_path_cannot_smuggle_options_to_sqlite(tmp_path: Path) -> None:
    for path in ("a.db?mode=rwc", "file:a.db", ":memory:", "a.db#x", "../a.db", "/etc/passwd"):
        with pytest.raises(ToolError), snapshot(Workspace(tmp_path), path):
            pass
    assert list(tmp_path.iterdir()) == []


def test_a_link_to_a_database_outside_is_not_opened(tmp_path: Path) -> None:
    (tmp_path / "workspace").mkdir()
    with closing(sqlite3.connect(tmp_path / "outside.db")) as connection:
        connection.execute("CREATE TABLE secret(a)")
        connection.commit()
    (tmp_path / "workspace" / "a.db").symlink_to(tmp_path / "outside.db")
    with pytest.raises(ToolError, match="link"), snapshot(Workspace(tmp_path / "workspace"), "a.db"):
        pass


def test_a_log_that_is_a_link_is_not_read(tmp_path: Path, query: Callable[[str], str]) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    (tmp_path / "a.db-wal").symlink_to(tmp_path / "secret")
    with pytest.raises(ToolError, match="link"):
        query("SELECT 1")
