"""Any change of any record is found, and the first bad record is named."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from so8t.audit_db import Masker, Store, Trail, Verification
from so8t.audit_db.chain import Record, digest_of
from so8t.gate.contract import Decision, Message, Source

ROWS = 12
FIELDS = ("at", "session", "kind", "subject", "decision", "body", "previous", "hash")


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trail of ROWS records."""
    file = tmp_path_factory.mktemp("trail") / "so8t.db"
    with Store.open(file, Masker()) as store:
        for number in range(ROWS):
            Trail(store).message("s", Message("user", f"number {number} 日本"))
    return file


def tampered(original: Path, change: Callable[[sqlite3.Connection], object]) -> Verification:
    """What verify says after `change`, made by someone who takes the triggers away and puts them back."""
    copy = original.with_name("copy.db")
    shutil.copy(original, copy)
    with closing(sqlite3.connect(copy)) as raw:
        triggers = raw.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for name, _ in triggers:
            raw.execute(f"DROP TRIGGER {name}")
        raw.execute("PRAGMA ignore_check_constraints = ON")
        change(raw)
        for _, sql in triggers:
            raw.execute(sql)
        raw.commit()
    with Store.open(copy, Masker()) as store:
        return Trail(store).verify()


def all_rows(raw: sqlite3.Connection) -> Iterator[Record]:
    columns = "seq, at, session, kind, subject, decision, body, previous, hash"
    for row in raw.execute(f"SELECT {columns} FROM record ORDER BY seq"):
        yield Record(*row)


def test_an_untouched_trail_is_whole(original: Path) -> None:
    found = tampered(original, lambda raw: None)
    assert (found.ok, found.rows, found.problem, found.first_bad) == (True, ROWS, None, None)


anything = (
    st.text()
    | st.binary(max_size=8)
    | st.integers(-(2**63), 2**63 - 1)
    | st.sampled_from(["message", "ALLOW", "0" * 64])
)


@settings(deadline=None)  # the disk decides
@given(seq=st.integers(1, ROWS), field=st.sampled_from(FIELDS), value=anything)
def test_any_edit_of_any_field_of_any_record_is_found(original: Path, seq: int, field: str, value: Any) -> None:
    assume("\0" not in value if isinstance(value, str) else True)

    def change(raw: sqlite3.Connection) -> None:
        (before,) = raw.execute(f"SELECT {field} FROM record WHERE seq = ?", (seq,)).fetchone()
        try:
            raw.execute(f"UPDATE record SET {field} = ? WHERE seq = ?", (value, seq))
        except sqlite3.IntegrityError:  # two records with one hash
            assume(False)
        (after,) = raw.execute(f"SELECT {field} FROM record WHERE seq = ?", (seq,)).fetchone()
        assume(after != before)

    found = tampered(original, change)
    assert (found.ok, found.first_bad) == (False, seq)


@settings(deadline=None)  # the disk decides
@given(seq=st.integers(1, ROWS - 1))
def test_an_edit_with_a_recomputed_hash_is_found_at_the_next_record(original: Path, seq: int) -> None:
    def change(raw: sqlite3.Connection) -> None:
        raw.execute("UPDATE record SET session = 'other' WHERE seq = ?", (seq,))
        edited = next(r for r in all_rows(raw) if r.seq == seq)
        raw.execute("UPDATE record SET hash = ? WHERE seq = ?", (digest_of(edited), seq))

    found = tampered(original, change)
    assert (found.ok, found.first_bad) == (False, seq + 1)


@settings(deadline=None)  # the disk decides
@given(seq=st.integers(1, ROWS - 1))
def test_a_deleted_record_is_found(original: Path, seq: int) -> None:
    found = tampered(original, lambda raw: raw.execute("DELETE FROM record WHERE seq = ?", (seq,)))
    assert (found.ok, found.first_bad) == (False, seq)
    assert "missing" in str(found.problem)


@settings(deadline=None)  # the disk decides
@given(seq=st.integers(1, ROWS), number=st.integers(-5, 40))
def test_a_record_moved_to_another_place_is_found(original: Path, seq: int, number: int) -> None:
    assume(not 1 <= number <= ROWS)
    found = tampered(original, lambda raw: raw.execute("UPDATE record SET seq = ? WHERE seq = ?", (number, seq)))
    assert (found.ok, found.first_bad) == (False, 1 if number < 1 else seq)


@settings(deadline=None)  # the disk decides
@given(pair=st.tuples(st.integers(1, ROWS), st.integers(1, ROWS)))
def test_two_records_that_changed_places_are_found(original: Path, pair: tuple[int, int]) -> None:
    one, two = pair
    assume(one != two)

    def change(raw: sqlite3.Connection) -> None:
        for old, new in ((one, 99), (two, one), (99, two)):
            raw.execute("UPDATE record SET seq = ? WHERE seq = ?", (new, old))

    assert tampered(original, change).first_bad == min(pair)


@settings(deadline=None)  # the disk decides
@given(seq=st.integers(1, ROWS))
def test_a_record_put_between_others_is_found(original: Path, seq: int) -> None:
    def change(raw: sqlite3.Connection) -> None:
        rows = list(all_rows(raw))
        raw.execute("UPDATE record SET seq = -seq WHERE seq >= ?", (seq,))
        raw.execute("UPDATE record SET seq = 1 - seq WHERE seq < 0")
        forged = Record(seq, rows[seq - 1].at, "s", "fault", "", None, '{"text":"forged"}', rows[seq - 1].previous, "")
        values = (seq, forged.at, "s", "fault", "", None, forged.body_json, forged.previous, digest_of(forged))
        raw.execute("INSERT INTO record VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", values)

    found = tampered(original, change)
    assert (found.ok, found.first_bad) == (False, seq + 1)


@pytest.mark.parametrize("body", ["{", '{"a":1,"a":2}', '{ "a":1}', '{"a":NaN}'])
def test_a_body_that_is_no_canonical_json_is_found_even_with_a_right_hash(original: Path, body: str) -> None:
    def change(raw: sqlite3.Connection) -> None:
        raw.execute("UPDATE record SET body = ? WHERE seq = ?", (body, ROWS))
        last = list(all_rows(raw))[-1]
        raw.execute("UPDATE record SET hash = ? WHERE seq = ?", (digest_of(last), ROWS))

    found = tampered(original, change)
    assert (found.ok, found.first_bad) == (False, ROWS)


def test_a_cut_tail_cannot_be_seen_and_verify_does_not_claim_it(original: Path) -> None:
    found = tampered(original, lambda raw: raw.execute("DELETE FROM record WHERE seq > 5"))
    assert (found.rows, found.anchored) == (5, False)


def test_missing_triggers_are_found(original: Path) -> None:
    copy = original.with_name("copy.db")
    shutil.copy(original, copy)
    with closing(sqlite3.connect(copy)) as raw:
        raw.execute("DROP TRIGGER record_no_update")
    with Store.open(copy, Masker()) as store:
        found = Trail(store).verify()
    assert not found.ok
    assert "record_no_update" in str(found.problem)


def test_a_clock_that_ran_backwards_is_only_noted(world: Any) -> None:
    world.trail.fault("s", "a")
    world.clock.forward(hours=-1)
    world.trail.fault("s", "b")
    found = world.trail.verify()
    assert found.ok
    assert "before record 2" in found.notes[0]


def test_a_long_trail_is_walked_whole(world: Any) -> None:
    for number in range(205):
        world.trail.fault("s", str(number))
    found = world.trail.verify()
    assert (found.ok, found.rows) == (True, 205)
    assert found.last_hash == list(world.trail.records())[-1].hash


def test_records_of_every_kind_verify_together(world: Any) -> None:
    for decision in Decision:
        world.decided(world.call(), decision)
    call = world.call()
    world.decided(call, Decision.ALLOW)
    world.trail.intent("s1", call, Source.HEAD)
    item = world.waiting()
    world.queue.refuse(item.id, "alice", "no")
    assert world.trail.verify().ok
