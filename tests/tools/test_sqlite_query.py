"""sqlite_query on databases in every state, run as the agent runs it."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from so8t.tools import Outcome

Run = Callable[..., Outcome]


@pytest.fixture
def database(root: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(root / "shop.db")) as connection:
        connection.execute("CREATE TABLE item(name TEXT, price REAL, image BLOB)")
        connection.executemany("INSERT INTO item VALUES(?, ?, ?)", [("りんご", 1.5, None), ("a|b\nc", 2, b"\0\1")])
        connection.commit()
        yield connection


def test_rows_come_as_a_table(run_tool: Run, database: sqlite3.Connection) -> None:
    output = run_tool("sqlite_query", database="shop.db", query="SELECT * FROM item").output
    assert output == "name | price | image\nりんご | 1.5 | NULL\na\\|b\\nc | 2.0 | <2 bytes>\n[2 rows]"


@pytest.mark.parametrize(
    ("query", "line"),
    [
        ("SELECT COUNT(*) FROM item", "2"),
        ("SELECT name FROM sqlite_master WHERE type = 'table'", "item"),
        ("SELECT DISTINCT price FROM item ORDER BY price LIMIT 1", "1.5"),
        ("WITH x(a) AS (VALUES (7)) SELECT a FROM x", "7"),
        ("VALUES (5)", "5"),
        ("SELECT 1;", "1"),
        ("-- a comment\nSELECT 3", "3"),
        ("SELECT upper('a') || json_extract('{\"a\": 1}', '$.a')", "A1"),
        ("SELECT value FROM json_each('[8]')", "8"),
        ("SELECT name FROM pragma_table_info('item') LIMIT 1", "name"),
        ("SELECT SUM(price) OVER () FROM item LIMIT 1", "3.5"),
    ],
)
def test_what_reads_is_allowed(run_tool: Run, database: sqlite3.Connection, query: str, line: str) -> None:
    outcome = run_tool("sqlite_query", database="shop.db", query=query)
    assert outcome.status == "done", outcome.output
    assert outcome.output.splitlines()[1] == line


def test_the_columns_of_a_table_can_be_asked_for(run_tool: Run, database: sqlite3.Connection) -> None:
    assert "1 | price | REAL" in run_tool("sqlite_query", database="shop.db", query="PRAGMA table_info(item)").output


def test_at_most_200_rows_are_shown_and_it_says_so(run_tool: Run, database: sqlite3.Connection) -> None:
    database.executemany("INSERT INTO item VALUES(?, 1, NULL)", [("x",)] * 300)
    database.commit()
    lines = run_tool("sqlite_query", database="shop.db", query="SELECT price FROM item").output.splitlines()
    assert (len(lines), lines[-1]) == (202, "[more than 200 rows: add a LIMIT or a WHERE]")


def test_long_values_are_shortened(run_tool: Run, database: sqlite3.Connection) -> None:
    output = run_tool("sqlite_query", database="shop.db", query="SELECT printf('%.*c', 5000, 'x')").output
    assert "… (5,000 characters)" in output


def test_a_missing_column_is_told(run_tool: Run, database: sqlite3.Connection) -> None:
    outcome = run_tool("sqlite_query", database="shop.db", query="SELECT nam FROM item")
    assert (outcome.status, outcome.output) == ("error", "SQLite: no such column: nam")


@pytest.mark.parametrize("query", ["", ";", "-- nothing", "not sql", "SELECT '\0'"])
def test_what_is_no_query_is_an_error(run_tool: Run, database: sqlite3.Connection, query: str) -> None:
    outcome = run_tool("sqlite_query", database="shop.db", query=query)
    assert outcome.status == "error" or query == "SELECT '\0'"
    assert "Traceback" not in outcome.output


def test_files_that_are_no_database(run_tool: Run, root: Path) -> None:
    (root / "a.txt").write_text("hello, this is text", encoding="utf-8")
    (root / "broken.db").write_bytes(b"SQLite format 3\0" + b"\xff" * 5000)
    (root / "empty.db").write_bytes(b"")
    assert run_tool("sqlite_query", database="a.txt", query="SELECT 1").output == "'a.txt' is not a SQLite database"
    assert "damaged" in run_tool("sqlite_query", database="broken.db", query="SELECT * FROM sqlite_master").output
    assert run_tool("sqlite_query", database="empty.db", query="SELECT * FROM sqlite_master").status == "done"
    assert run_tool("sqlite_query", database="none.db", query="SELECT 1").output.startswith("there is no 'none.db'")
    assert not (root / "none.db").exists()


def test_committed_rows_of_a_write_ahead_log_are_seen(run_tool: Run, database: sqlite3.Connection, root: Path) -> None:
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("INSERT INTO item VALUES('new', 1, NULL)")
    database.commit()
    assert (root / "shop.db-wal").stat().st_size > 0
    outcome = run_tool("sqlite_query", database="shop.db", query="SELECT COUNT(*) FROM item")
    assert outcome.output.splitlines()[1] == "3"


def test_uncommitted_rows_are_never_seen(run_tool: Run, database: sqlite3.Connection) -> None:
    database.execute("PRAGMA cache_size=1")
    database.executemany("INSERT INTO item VALUES(?, 1, NULL)", [("x" * 2000,)] * 500)  # spills into the file
    outcome = run_tool("sqlite_query", database="shop.db", query="SELECT COUNT(*) FROM item")
    assert outcome.status == "error"
    assert "being changed" in outcome.output
    database.rollback()
    assert run_tool("sqlite_query", database="shop.db", query="SELECT COUNT(*) FROM item").output.splitlines()[1] == "2"


@pytest.mark.parametrize("mode", ["DELETE", "TRUNCATE", "PERSIST"])
def test_every_journal_mode_at_rest_can_be_read(run_tool: Run, database: sqlite3.Connection, mode: str) -> None:
    database.execute(f"PRAGMA journal_mode={mode}")
    database.execute("INSERT INTO item VALUES('new', 1, NULL)")
    database.commit()
    outcome = run_tool("sqlite_query", database="shop.db", query="SELECT COUNT(*) FROM item")
    assert outcome.output.splitlines()[1] == "3"


@pytest.mark.parametrize("mode", ["DELETE", "WAL"])
def test_a_query_beside_a_busy_writer_sees_whole_transactions(run_tool: Run, root: Path, mode: str) -> None:
    stop = threading.Event()
    ready = threading.Event()

    def write() -> None:
        """Move money between a hundred accounts; the sum stays 1000."""
        with closing(sqlite3.connect(root / "bank.db", isolation_level=None)) as connection:
            connection.execute(f"PRAGMA journal_mode={mode}")
            connection.execute("PRAGMA synchronous=OFF")
            connection.execute("PRAGMA wal_autocheckpoint=3")
            connection.execute("CREATE TABLE account(id INTEGER PRIMARY KEY, money INTEGER, filling TEXT)")
            connection.executemany("INSERT INTO account VALUES(?, 10, ?)", [(n, "x" * 3000) for n in range(100)])
            ready.set()
            while not stop.wait(0.002):
                connection.executescript(
                    "BEGIN; UPDATE account SET money = money - 1 WHERE id % 2; "
                    "UPDATE account SET money = money + 1 WHERE NOT id % 2; COMMIT;"
                )

    writer = threading.Thread(target=write)
    writer.start()
    ready.wait()
    try:
        outcomes = [
            run_tool("sqlite_query", database="bank.db", query="SELECT SUM(money), COUNT(*) FROM account")
            for _ in range(15)
        ]
    finally:
        stop.set()
        writer.join()
    outcomes.append(run_tool("sqlite_query", database="bank.db", query="SELECT SUM(money), COUNT(*) FROM account"))
    assert outcomes[-1].output.splitlines()[1] == "1000 | 100"
    for outcome in outcomes:
        if outcome.status == "done":
            assert outcome.output.splitlines()[1] == "1000 | 100"
        else:
            assert "being changed" in outcome.output


def test_a_query_leaves_nothing_behind(run_tool: Run, database: sqlite3.Connection, root: Path) -> None:
    database.close()
    before = {file.name: file.read_bytes() for file in root.iterdir()}
    run_tool("sqlite_query", database="shop.db", query="SELECT * FROM item")
    assert {file.name: file.read_bytes() for file in root.iterdir()} == before
