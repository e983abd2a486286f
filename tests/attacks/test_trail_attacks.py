"""Attempts to get a call to run, or a secret to be stored, by way of the database."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from judged_calls import TOOL, proposal, verdict

from so8t.audit_db import Masker, ReviewItem, ReviewQueue, Store, Trail
from so8t.audit_db.errors import BadFilter, Forged, IntentRefused, SecretNotStored, TrailDamaged
from so8t.gate.contract import Call, Decision, Message, Source, Verdict

PASSWORD = "correct horse battery"
TOKEN = "ghp_" + "aB3" * 12


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "so8t.db"


@pytest.fixture
def store(file: Path) -> Iterator[Store]:
    with Store.open(file, Masker({"wiki": PASSWORD})) as opened:
        yield opened


def decide(store: Store, call: Call, decision: Decision, words: str = "write") -> Verdict:
    said = verdict(call, decision, f"because of {words}")
    Trail(store).decided("s", proposal(call, words), said)
    return said


def waiting(store: Store, call: Call, words: str = "write") -> ReviewItem:
    verdict = decide(store, call, Decision.ESCALATE, words)
    return ReviewQueue(store).submit("s", "w", call, TOOL, verdict, words, timedelta(hours=1))


def by_hand(file: Path, *statements: str) -> None:
    """What someone with write access to the file does."""
    with closing(sqlite3.connect(file)) as raw:
        for statement in statements:
            raw.execute(statement)
        raw.commit()


def test_a_forged_approval_does_not_run(store: Store, file: Path) -> None:
    call = Call.of("write_file", {"path": "a"})
    item = waiting(store, call)
    by_hand(file, "UPDATE review_item SET state = 'approved', reviewer = 'alice', decided_at = created")
    with pytest.raises(Forged, match="changed the database by hand"):
        ReviewQueue(store).consume(item.id, call, "s")
    assert list(Trail(store).records(kind="intent")) == []
    found = Trail(store).verify()
    assert not found.ok
    assert item.id in str(found.problem)


def test_a_used_approval_that_is_set_back_does_not_run_again(store: Store, file: Path) -> None:
    call = Call.of("write_file", {"path": "a"})
    item = waiting(store, call)
    queue = ReviewQueue(store)
    queue.approve(item.id, item.digest, "alice")
    queue.consume(item.id, call, "s")
    by_hand(file, "UPDATE review_item SET state = 'approved'")
    with pytest.raises(Forged):
        queue.consume(item.id, call, "s")
    assert len(list(Trail(store).records(kind="intent"))) == 1


@pytest.mark.parametrize(
    "change",
    [
        """arguments = '{"path":"/etc/passwd"}'""",
        f"digest = '{Call.of('write_file', {'path': 'b'}).digest}'",
        "tool = 'delete_file'",
        "reason = 'harmless'",
        "user_text = 'please'",
        "expires = '2099-01-01T00:00:00.000000+00:00'",
        "owner = 'someone else'",
        "masked = 1",
        "effects = NULL",
        "verdict = '{}'",
    ],
)
def test_an_item_that_was_changed_by_hand_is_neither_shown_nor_decided(store: Store, file: Path, change: str) -> None:
    item = waiting(store, Call.of("write_file", {"path": "a"}))
    by_hand(file, f"UPDATE review_item SET {change}")
    queue = ReviewQueue(store)
    with pytest.raises(Forged):
        queue.get(item.id)
    with pytest.raises(Forged):
        queue.approve(item.id, item.digest, "alice")
    assert not Trail(store).verify().ok


def test_a_forged_item_does_not_keep_the_agent_from_the_others(store: Store, file: Path) -> None:
    queue = ReviewQueue(store)
    forged, sound = (waiting(store, Call.of("write_file", {"path": p})) for p in "ab")
    by_hand(file, f"UPDATE review_item SET state = 'approved', expires = created WHERE id = '{forged.id}'")
    queue.refuse(sound.id, "alice", "no")
    assert [item.id for item in queue.decided("w")] == [sound.id]
    assert forged.id in str(Trail(store).verify().problem)


def test_an_item_without_any_record_is_forged(store: Store, file: Path) -> None:
    item = waiting(store, Call.of("write_file", {"path": "a"}))
    by_hand(
        file,
        "CREATE TEMP TABLE t AS SELECT * FROM review_item",
        "UPDATE t SET id = 'forged00', state = 'approved', reviewer = 'alice'",
        "INSERT INTO review_item SELECT * FROM t",
    )
    with pytest.raises(Forged):
        ReviewQueue(store).consume("forged00", Call("write_file", item.arguments_json, "forged00"), "s")


def test_a_forged_review_record_is_not_believed(store: Store, file: Path) -> None:
    call = Call.of("write_file", {"path": "a"})
    item = waiting(store, call)
    body = f'{{"digest":"{item.digest}","event":"state","from":"pending","reviewer":"alice","state":"approved"}}'
    by_hand(
        file,
        f"""INSERT INTO record SELECT seq + 1, at, session, 'review', subject, NULL, '{body}', hash, 'made up'
        FROM record ORDER BY seq DESC LIMIT 1""",
        "UPDATE review_item SET state = 'approved', reviewer = 'alice', changed_seq = changed_seq + 1",
    )
    with pytest.raises(Forged, match="was changed after it was written"):
        ReviewQueue(store).consume(item.id, call, "s")
    assert not Trail(store).verify().ok


def test_an_item_that_was_taken_away_is_missed(store: Store, file: Path) -> None:
    waiting(store, Call.of("write_file", {"path": "a"}))
    by_hand(file, "DROP TRIGGER review_item_no_delete", "DELETE FROM review_item")
    assert "0 items, the trail knows 1" in str(Trail(store).verify().problem)


def test_a_refusal_that_was_edited_into_an_allow_does_not_start_a_call(store: Store, file: Path) -> None:
    call = Call.of("write_file", {"path": "a"})
    decide(store, call, Decision.REFUSE)
    by_hand(file, "DROP TRIGGER record_no_update", "UPDATE record SET decision = 'ALLOW'")
    with pytest.raises(TrailDamaged, match="audit verify"):
        Trail(store).intent("s", call, Source.HEAD)
    assert Trail(store).verify().first_bad == 1


def test_an_intent_that_nothing_allowed_is_found_even_in_a_whole_chain(store: Store) -> None:
    call = Call.of("write_file", {"path": "a"})
    decide(store, call, Decision.ALLOW)
    other = Call.of("write_file", {"path": "b"})
    with pytest.raises(IntentRefused):
        Trail(store).intent("s", other, Source.HEAD)
    from so8t.audit_db.chain import append

    with store.write() as conn:  # as a program would that goes round the trail's own door
        append(conn, store.masker, store.clock(), "intent", "s", {"digest": other.digest}, subject=other.id)
    found = Trail(store).verify()
    assert (found.ok, found.first_bad) == (False, 2)
    assert "nothing allowed" in str(found.problem)


@pytest.mark.parametrize("name", ["kind", "session", "subject", "decision", "text"])
@pytest.mark.parametrize(
    "attack", ["' OR 1=1 --", "'; DROP TABLE record; --", '" OR ""="', "%", "x' UNION SELECT 1 --"]
)
def test_sql_in_a_filter_is_data(store: Store, name: str, attack: str) -> None:
    trail = Trail(store)
    trail.fault("s", "x")
    if name in ("kind", "decision"):
        with pytest.raises(BadFilter, match="unknown"):
            trail.records(**{name: attack})
    else:
        assert list(trail.records(**{name: attack})) == []
    assert trail.verify().rows == 1
    assert trail.story(attack) == []


def test_no_secret_reaches_the_file(store: Store, file: Path) -> None:
    trail, queue = Trail(store), ReviewQueue(store)
    dirty = f"use {PASSWORD} and {TOKEN}"
    call = Call.of("write_file", {"content": dirty, TOKEN: [dirty]})
    item = waiting(store, call, dirty)
    trail.session("s", {"env": {"TOKEN": TOKEN}})
    trail.message("s", Message("assistant", dirty, (call,)))
    trail.invalid("s", TOKEN, '{"a": "' + dirty, dirty)
    trail.fault("s", dirty)
    queue.approve(item.id, item.digest, "alice", dirty)
    queue.consume(item.id, call, "s")
    trail.outcome("s", call.id, "done", dirty, False, 1.0)
    store.close()
    stored = file.read_bytes()
    assert PASSWORD.encode() not in stored
    assert TOKEN.encode() not in stored
    assert call.digest.encode() not in stored  # it could be used to guess the secret
    assert b"[masked:wiki]" in stored
    assert b"[masked:github_token]" in stored
    assert trail.verify().ok


def test_a_call_with_a_secret_runs_only_from_the_memory_that_has_it(store: Store) -> None:
    call = Call.of("write_file", {"content": TOKEN})
    item = waiting(store, call)
    assert item.masked
    assert item.arguments_json == '{"content":"[masked:github_token]"}'
    queue = ReviewQueue(store)
    queue.approve(item.id, item.digest, "alice")
    with pytest.raises(SecretNotStored, match="ask for the call again"):
        queue.call_of(item)
    assert queue.consume(item.id, call, "s").digest == call.digest


def test_an_old_copy_of_the_database_put_back_while_it_is_open_is_noticed(store: Store, file: Path) -> None:
    old = file.read_bytes()
    Trail(store).fault("s", "something to hide")
    copy = file.with_name("old")
    copy.write_bytes(old)
    copy.replace(file)
    with pytest.raises(Exception, match="moved, deleted or replaced"):
        Trail(store).fault("s", "next")
