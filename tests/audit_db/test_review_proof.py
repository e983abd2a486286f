"""What claims, edits and reopenings leave in the table is proven by the trail; an older database is brought along."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.script import ScriptDirectory

from so8t.audit_db import Claims, Revisions
from so8t.audit_db.errors import Forged
from so8t.audit_db.migrate import FOLDER
from so8t.gate.contract import Call, Decision

NEW = ("edited_arguments", "edited_digest", "edited_by", "edited_verdict", "effective_arguments", "reopened_seq")


def by_hand(world: Any, *statements: str) -> None:
    with world.store.engine.begin() as conn:
        for statement in statements:
            conn.exec_driver_sql(statement)


@pytest.mark.parametrize(
    "change",
    [
        "claimed_by = 'mallory'",
        "claimed_by = NULL",
        "claimed_by = NULL, claim_expires = NULL",
        "claim_expires = '2999-01-01T00:00:00.000000+00:00'",
        "claim_token = claim_token + 1",
        "claim_token = 0",
        """edited_arguments = '{"path":"evil"}'""",
        "edited_arguments = NULL, edited_digest = NULL, edited_by = NULL, edited_verdict = NULL",
        "edited_digest = digest",
        "edited_by = 'mallory'",
        "edited_verdict = '{}'",
        "effective_arguments = arguments",
        "reopened_seq = NULL",
        "reopened_seq = 1",
        "expires = '2999-01-01T00:00:00.000000+00:00'",
        "state = 'approved', reviewer = 'alice'",
        "state = 'refused'",
        "acknowledged_seq = 1",
    ],
)
def test_a_row_that_was_edited_by_hand_is_forged(world: Any, change: str) -> None:
    item = world.waiting()
    world.queue.refuse(item.id, "alice", "no")
    Revisions(world.store).reopen(item.id, "alice", "again", timedelta(hours=1))
    call = Call.of("write_file", {"path": "b"}, item.id)
    Revisions(world.store).edit(item.id, item.digest, call, world.verdict(Decision.ALLOW, call.digest), "alice")
    Claims(world.store).claim(item.id, "alice")
    assert world.trail.verify().ok
    by_hand(world, f"UPDATE review_item SET {change}")
    for attempt in (
        lambda: world.queue.get(item.id),
        lambda: world.queue.approve(item.id, call.digest, "alice"),
        lambda: world.queue.approve(item.id, call.digest, "alice", token=1),
        lambda: world.queue.refuse(item.id, "alice", "no"),
        lambda: Claims(world.store).claim(item.id, "alice"),
        lambda: Revisions(world.store).reopen(item.id, "alice", "again", timedelta(hours=1)),
    ):
        with pytest.raises(Forged, match="so8t audit verify"):
            attempt()
    found = world.trail.verify()
    assert not found.ok
    assert item.id in str(found.problem)


def test_a_refused_item_cannot_be_reopened_by_hand(world: Any) -> None:
    item = world.waiting()
    world.queue.refuse(item.id, "alice", "no")
    by_hand(world, "UPDATE review_item SET state = 'pending', reviewer = NULL, reviewer_reason = NULL")
    with pytest.raises(Forged):
        world.queue.approve(item.id, item.digest, "alice")


def test_a_database_from_before_edits_is_brought_along_and_its_items_stay_sound(world: Any) -> None:
    waiting, call = world.waiting(), world.call(path="ran")
    ran = world.approved(call)
    world.queue.consume(ran.id, call, "s1")
    world.trail.outcome("s1", call.id, "done", "written", False, 1)
    before = ScriptDirectory(str(FOLDER)).get_revision("0003").down_revision
    by_hand(
        world,
        *(f"ALTER TABLE review_item DROP COLUMN {name}" for name in NEW),
        f"UPDATE alembic_version SET version_num = '{before}'",
    )
    assert not set(NEW) & {str(c["name"]) for c in sa.inspect(world.store.engine).get_columns("review_item")}
    world.restart()
    assert world.trail.verify().ok
    assert world.queue.get(ran.id).effective_json == call.arguments_json
    assert world.queue.approve(waiting.id, waiting.digest, "alice").state == "approved"
