"""Databases that are full, locked, read-only, missing, garbage or too new: a clear error, nothing half done."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from so8t.audit_db import Masker, Store, Trail
from so8t.audit_db.connect import wal_is_safe
from so8t.audit_db.errors import NewerSchema, TrailDamaged, TrailError, TrailUnavailable

WORKER = Path(__file__).parents[1] / "lib" / "trail_worker.py"
posix = pytest.mark.skipif(os.name != "posix", reason="limits and permissions of POSIX")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "so8t.db"


def opened(file: Path, **options: float) -> Store:
    return Store.open(file, Masker(), **options)


@posix
def test_a_full_disk_is_said_and_loses_nothing(file: Path) -> None:
    with opened(file) as store:
        Trail(store).fault("s", "before")
    script = f"ulimit -f 400; exec '{sys.executable}' '{WORKER}' 'sqlite:///{file}' flood s"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1].startswith("TrailUnavailable"), done.stderr
    assert "full" in done.stdout
    with opened(file) as store:
        Trail(store).fault("s", "after")
        found = Trail(store).verify()
        assert found.ok
        assert found.rows > 3


def test_a_locked_database_is_said_after_the_wait(file: Path) -> None:
    with opened(file, busy_seconds=0.05) as store:
        other = sqlite3.connect(file, isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(TrailUnavailable, match="another program holds the lock"):
            Trail(store).fault("s", "x")
        with pytest.raises(TrailUnavailable, match="another program holds the lock"):
            list(Trail(store).records())
        other.execute("ROLLBACK")
        other.close()
        Trail(store).fault("s", "x")
        assert Trail(store).verify().rows == 1


def test_a_slow_reader_keeps_no_writer_waiting(file: Path) -> None:
    with opened(file, busy_seconds=0.05) as store, opened(file, busy_seconds=0.05) as other:
        for number in range(3):
            Trail(store).fault("s", str(number))
        reader = Trail(store).records()
        assert next(reader).seq == 1
        Trail(other).fault("s", "written meanwhile")
        assert [r.seq for r in reader] == [2, 3]


@posix
def test_a_read_only_database_is_said(file: Path) -> None:
    opened(file).close()
    file.chmod(0o444)
    file.parent.chmod(0o755)
    script = f"""
import os, sys
from pathlib import Path
from so8t.audit_db import Masker, Store, Trail, TrailError
store = Store.open(Path({str(file)!r}), Masker())
Trail(store).fault("s", "before")
Path({str(file)!r}).chmod(0o444)
if os.geteuid() == 0:
    os.chown({str(file)!r}, 0, 0)
    for folder in Path({str(file)!r}).parents:
        if folder.stat().st_uid == 0 and str(folder) not in ("/", "/tmp"):
            folder.chmod(0o755)
    os.setuid(65534)
store.close()
try:
    Trail(store).fault("s", "x")
except TrailError as error:
    print(type(error).__name__, error)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("TrailUnavailable")
    assert "read-only" in done.stdout


@pytest.mark.parametrize("content", [b"this is no database" * 100, b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_file_of_garbage_is_said_and_left_as_it_is(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    with pytest.raises(TrailError, match=r"no SQLite database|damaged"):
        opened(file)
    assert file.read_bytes() == content


def test_a_torn_page_is_found(file: Path) -> None:
    with opened(file) as store:
        for number in range(200):
            Trail(store).fault("s", f"{number} " + "x" * 500)
    data = bytearray(file.read_bytes())
    middle = len(data) // 2 // 4096 * 4096
    data[middle : middle + 4096] = os.urandom(4096)
    file.write_bytes(data)
    with opened(file) as store:
        assert not Trail(store).verify().ok


def test_a_database_that_vanishes_or_is_replaced_is_said(file: Path) -> None:
    with opened(file) as store:
        Trail(store).fault("s", "x")
        kept = file.read_bytes()
        file.unlink()
        with pytest.raises(TrailUnavailable, match="moved, deleted or replaced"):
            Trail(store).fault("s", "y")
        assert not file.exists()
        (file.parent / "old copy").write_bytes(kept)
        (file.parent / "filler").write_bytes(kept)  # so that the old copy gets another file number
        (file.parent / "filler").replace(file)
        with pytest.raises(TrailUnavailable, match="moved, deleted or replaced"):
            list(Trail(store).records())


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a file, no folder", encoding="utf-8")
    with pytest.raises(TrailUnavailable, match="check the folder"):
        opened(tmp_path / "a" / "so8t.db")


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("sqlite://", "in memory keeps nothing"),
        ("sqlite:///:memory:", "in memory keeps nothing"),
        ("mysql://localhost/x", "use postgresql, sqlite|use sqlite, postgresql"),
        ("so8t.db", "write sqlite:///FILE"),
        ("postgresql://nobody:secret@127.0.0.1:1/none", "check that the server runs"),
    ],
)
def test_a_url_that_cannot_work_is_said(url: str, says: str) -> None:
    if url.startswith("postgresql"):
        pytest.importorskip("psycopg")
    with pytest.raises(TrailUnavailable, match=says) as caught:
        Store.open(url, Masker())
    assert "secret" not in str(caught.value)


def test_a_newer_schema_is_said_and_not_touched(file: Path) -> None:
    opened(file).close()
    with sqlite3.connect(file) as raw:
        raw.execute("UPDATE alembic_version SET version_num = '9999'")
    raw.close()
    with pytest.raises(NewerSchema, match="update so8t"):
        opened(file)


@posix
def test_only_the_owner_may_read_the_database(tmp_path: Path) -> None:
    file = tmp_path / "new" / "so8t.db"
    opened(file).close()
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700
    file.chmod(0o644)
    opened(file).close()
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_path_with_odd_characters_is_a_path(tmp_path: Path) -> None:
    file = tmp_path / "日本 100%41 #x.db"
    with opened(file) as store:
        Trail(store).fault("s", "x")
        assert Trail(store).verify().rows == 1
    assert [p.name for p in tmp_path.iterdir()] == [file.name]


def test_sqlite_commits_as_durably_as_it_can(file: Path) -> None:
    with opened(file) as store, store.read() as conn:
        settings = {name: conn.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous")}
        assert settings == {"journal_mode": "delete", "synchronous": 3}
        assert conn.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1


@pytest.mark.parametrize(
    ("version", "safe"),
    [
        ((3, 40, 1), False),
        ((3, 44, 5), False),
        ((3, 44, 6), True),
        ((3, 45, 0), False),
        ((3, 50, 6), False),
        ((3, 50, 7), True),
        ((3, 51, 2), False),
        ((3, 51, 3), True),
        ((3, 60, 0), True),
    ],
)
def test_wal_is_offered_only_where_sqlite_is_sound(version: tuple[int, ...], safe: bool) -> None:
    assert wal_is_safe(version) is safe


def test_wal_is_refused_or_works(file: Path) -> None:
    if not wal_is_safe(sqlite3.sqlite_version_info):
        with pytest.raises(TrailUnavailable, match="WAL"):
            opened(file, wal=True)
        return
    with opened(file, wal=True) as store:
        Trail(store).fault("s", "x")
        assert Trail(store).verify().ok


def test_a_trail_whose_end_was_changed_is_not_built_upon(file: Path) -> None:
    with opened(file) as store:
        Trail(store).fault("s", "x")
        with sqlite3.connect(file) as raw:
            raw.execute("DROP TRIGGER record_no_update")
            raw.execute("UPDATE record SET body = '{}'")
        raw.close()
        with pytest.raises(TrailDamaged, match="so8t audit verify"):
            Trail(store).fault("s", "y")
