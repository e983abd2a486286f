"""The tables that the migrations make are those that the queries expect, and they guard themselves."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from so8t.audit_db.migrate import FOLDER
from so8t.audit_db.schema import HEAD, metadata

APPEND_ONLY = "append-only"


def test_the_migrations_end_where_the_queries_expect(world: Any) -> None:
    assert ScriptDirectory(str(FOLDER)).get_current_head() == HEAD
    with world.store.read() as conn:
        assert compare_metadata(MigrationContext.configure(conn), metadata) == []


def check_constraints(inspector: Any) -> set[str]:
    return {str(c["name"]) for table in ("record", "review_item") for c in inspector.get_check_constraints(table)}


def test_the_database_checks_kinds_and_states(world: Any) -> None:
    with world.store.read() as conn:
        assert check_constraints(sa.inspect(conn)) == {"known_kind", "seq_positive", "known_state"}


COLUMNS = "seq, at, session, kind, subject, body, previous, hash"
LAST_HASH = "(SELECT hash FROM record ORDER BY seq DESC LIMIT 1)"
LINKED = f"SELECT MAX(seq) + 1, MAX(at), 's', 'fault', '', '{{}}', {LAST_HASH}, 'h' FROM record"


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE record SET body = '{}' WHERE seq = 1",
        "UPDATE record SET seq = 9",
        "DELETE FROM record WHERE seq = 2",
        "DELETE FROM record",
        f"INSERT INTO record ({COLUMNS}) VALUES (1, 'x', 's', 'fault', '', '{{}}', 'p', 'h')",
        f"INSERT INTO record ({COLUMNS}) VALUES (9, 'x', 's', 'fault', '', '{{}}', 'p', 'h')",
        f"INSERT INTO record ({COLUMNS}) SELECT MAX(seq) + 1, 'x', 's', 'fault', '', '{{}}', 'p', 'h' FROM record",
        "DELETE FROM review_item",
    ],
)
def test_the_database_itself_refuses_to_change_the_trail(world: Any, statement: str) -> None:
    world.waiting()
    before = list(world.trail.records())
    with pytest.raises(sa.exc.DBAPIError, match=r"append-only|never deleted"), world.store.engine.begin() as conn:
        conn.exec_driver_sql(statement)
    assert list(world.trail.records()) == before


@pytest.mark.parametrize("kind", ["intent", "decision"])
def test_the_database_itself_refuses_a_second_intent_or_decision(world: Any, kind: str) -> None:
    item = world.approved()
    world.queue.consume(item.id, world.queue.call_of(item), "s1")
    statement = f"INSERT INTO record ({COLUMNS}) {LINKED}".replace("'fault', ''", f"'{kind}', '{item.id}'")
    with pytest.raises(sa.exc.DBAPIError), world.store.engine.begin() as conn:
        conn.exec_driver_sql(statement)
    assert len(list(world.trail.records(kind=kind))) == 1


def test_insert_or_replace_deletes_nothing(world: Any) -> None:
    if world.store.engine.dialect.name != "sqlite":
        with pytest.raises(sa.exc.DBAPIError, match=APPEND_ONLY), world.store.engine.begin() as conn:
            conn.exec_driver_sql("TRUNCATE record CASCADE")
        return
    item = world.approved()
    world.queue.consume(item.id, world.queue.call_of(item), "s1")
    before = list(world.trail.records())
    same_number = f"INSERT OR REPLACE INTO record ({COLUMNS}) VALUES (1, 'x', 's', 'fault', '', '{{}}', 'p', 'h')"
    same_call = f"INSERT OR REPLACE INTO record ({COLUMNS}) {LINKED}".replace("'fault', ''", f"'intent', '{item.id}'")
    same_hash = f"INSERT OR REPLACE INTO record ({COLUMNS}) {LINKED}".replace("'h'", f"'{before[0].hash}'")
    for statement in (same_number, same_call, same_hash):
        with pytest.raises(sa.exc.DBAPIError, match=APPEND_ONLY), world.store.engine.begin() as conn:
            conn.exec_driver_sql(statement)
    assert list(world.trail.records()) == before
