"""Grants: what they let pass, what they never do, and that each use is counted once and proven by the trail."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from so8t.audit_db import Grant, Granted, Grants, Masker, Store, Trail, recover
from so8t.audit_db.errors import (
    BadFilter,
    DecisionRefused,
    Forged,
    GrantOver,
    GrantRefused,
    IntentRefused,
    UnknownGrant,
)
from so8t.gate.contract import Call, Decision, Finding, Message, Proposal, Source, ToolSpec, Verdict
from so8t.gate.grants import Stated, exactly, glob

WORKER = Path(__file__).parents[1] / "lib" / "grant_worker.py"
NOTES: Stated = {"path": exactly("notes.txt")}


def grant(world: Any, stated: Stated = NOTES, **bounds: Any) -> Grant:
    bounds = bounds or {"until": world.clock.now + timedelta(hours=1)}
    return Grants(world.store).add("w1", world.tool, stated, "Aya", **bounds)


def found(world: Any, call: Call, *findings: Finding) -> Verdict:
    """What a gate says that is unsure of the call, and finds this beside it."""
    verdict: Verdict = world.verdict(Decision.ESCALATE, call.digest)
    decision = max(f.decision for f in (*verdict.findings, *findings))
    return replace(verdict, decision=decision, findings=(*verdict.findings, *findings))


def ask(world: Any, verdict: Verdict | None = None, session: str = "s1", owner: str = "w1", **arguments: Any) -> Any:
    """Propose a call with these arguments; with `verdict` that verdict's call is meant to be `arguments`."""
    call = Call.of("write_file", arguments or {"path": "notes.txt"})
    proposal = Proposal((Message("user", "write my notes"),), world.tool, call)
    return Grants(world.store).use(session, owner, proposal, verdict or found(world, call))


def nothing_passed(world: Any) -> bool:
    return not list(world.trail.records(kind="decision")) and bool(world.trail.verify().ok)


def test_a_grant_turns_escalate_into_allow_by_a_person_and_the_gates_own_words_stay(world: Any) -> None:
    made = grant(world, times=2, until=world.clock.now + timedelta(hours=1))
    granted = ask(world)
    assert isinstance(granted, Granted)
    assert (granted.verdict.decision, granted.verdict.source) == (Decision.ALLOW, Source.HUMAN)
    assert made.id in granted.verdict.findings[-1].reason
    assert "Aya" in granted.verdict.findings[-1].reason
    (record,) = world.trail.records(kind="decision")
    assert record.decision == "ALLOW"
    assert record.body["source"] == "human"
    assert record.body["findings"][0] == {
        "source": "head", "decision": "ESCALATE", "reason": "the head says ESCALATE", "rule": None
    }  # fmt: skip
    assert record.body["probabilities"] == [0.2, 0.7, 0.1]
    told = {"id": made.id, "by": "Aya", "use": 1, "times": 2, "gate": {"decision": "ESCALATE", "source": "head"}}
    assert record.body["grant"] == told
    assert world.trail.verify().ok


def test_who_made_it_each_use_and_the_revocation_are_in_the_trail(world: Any) -> None:
    made = grant(world)
    ask(world)
    Grants(world.store).revoke(made.id, "Bo")
    records = Grants(world.store).records(made.id)
    assert [record.body["event"] for record in records] == ["granted", "grant used", "grant revoked"]
    assert records[0].body["grant"]["made_by"] == "Aya"
    assert records[0].body["grant"]["arguments"] == '{"path":{"equals":"notes.txt"}}'
    (decision,) = world.trail.records(kind="decision")
    assert (records[1].body["call"], records[1].body["use"]) == (decision.subject, 1)
    assert records[2].body["by"] == "Bo"
    assert [r.seq for r in world.trail.story(made.id)] == [r.seq for r in records]


def test_a_call_that_was_let_pass_can_start_once(world: Any) -> None:
    grant(world)
    call = Call.of("write_file", {"path": "notes.txt"})
    proposal = Proposal((Message("user", "write"),), world.tool, call)
    assert Grants(world.store).use("s1", "w1", proposal, found(world, call))
    world.trail.intent("s1", call, Source.HUMAN)
    with pytest.raises(IntentRefused):
        world.trail.intent("s1", call, Source.HUMAN)
    world.trail.outcome("s1", call.id, "done", "written", False, 1)
    assert world.trail.verify().ok


@pytest.mark.parametrize(
    "arguments",
    [
        {"path": "notes.txt", "overwrite": True},
        {"path": "notes.txt", "": ""},
        {"overwrite": True},
        {"path": "notes.txt\u200b"},
        {"path": "notes.tx\u0442"},
        {"path": "Notes.txt"},
        {"path": "notes.txt "},
        {"path": ["notes.txt"]},
        {"path": None},
        {"Path": "notes.txt"},
    ],
    ids=ascii,
)
def test_a_call_with_other_arguments_waits(world: Any, arguments: dict[str, Any]) -> None:
    grant(world)
    assert ask(world, **arguments) is None
    assert nothing_passed(world)


@pytest.mark.parametrize(("stated", "given"), [(1, "1"), ("1", 1), (True, "true"), (True, 1), (None, ""), ("", None)])
def test_a_value_of_another_type_is_another_value(world: Any, stated: Any, given: Any) -> None:
    grant(world, {"path": exactly(stated)})
    assert ask(world, path=given) is None
    assert ask(world, path=stated) is not None


def test_letters_that_are_composed_otherwise_are_another_value(world: Any) -> None:
    grant(world, {"path": exactly("caf\u00e9")})
    assert ask(world, path="cafe\u0301") is None


def test_a_call_without_a_stated_argument_waits(world: Any) -> None:
    grant(world, NOTES | {"content": exactly("x")})
    assert ask(world, path="notes.txt") is None
    assert ask(world, path="notes.txt", content="x") is not None


def test_a_grant_without_arguments_lets_only_a_call_without_arguments_pass(world: Any) -> None:
    grant(world, {})
    assert ask(world) is None


@pytest.mark.parametrize(
    "beside",
    [
        Finding(Source.POLICY, Decision.ESCALATE, "a person must see it", "payments"),
        Finding(Source.POLICY, Decision.REFUSE, "never", "no-wipe"),
        Finding(Source.FAULT, Decision.ESCALATE, "the encoder died"),
        Finding(Source.FAULT, Decision.REFUSE, "the encoder died"),
        Finding(Source.HEAD, Decision.REFUSE, "the head says REFUSE"),
        Finding(Source.READABILITY, Decision.REFUSE, "unreadable"),
        Finding(Source.HUMAN, Decision.ESCALATE, "a person must see it"),
    ],
    ids=lambda f: f"{f.source} {f.decision.name}",
)
def test_a_grant_never_touches_refuse_a_policy_rule_or_a_fault(world: Any, beside: Finding) -> None:
    made, call = grant(world), Call.of("write_file", {"path": "notes.txt"})
    assert ask(world, found(world, call, beside)) is None
    assert nothing_passed(world)
    assert Grants(world.store).get(made.id).uses == 0


def test_a_policy_rule_counts_even_where_the_verdict_is_put_down_to_another_layer(world: Any) -> None:
    grant(world)
    call = Call.of("write_file", {"path": "notes.txt"})
    rule = Finding(Source.POLICY, Decision.ESCALATE, "a person must see it", "payments")
    assert ask(world, replace(found(world, call, rule), source=Source.HEAD)) is None


def test_what_the_head_did_not_judge_is_not_let_pass(world: Any) -> None:
    grant(world)
    call = Call.of("write_file", {"path": "notes.txt"})
    assert ask(world, replace(found(world, call), probabilities=None)) is None


def test_an_allow_of_the_gate_uses_up_nothing(world: Any) -> None:
    made, call = grant(world), Call.of("write_file", {"path": "notes.txt"})
    assert ask(world, world.verdict(Decision.ALLOW, call.digest)) is None
    assert Grants(world.store).get(made.id).uses == 0


def test_a_verdict_on_another_call_is_not_turned(world: Any) -> None:
    grant(world)
    other = Call.of("write_file", {"path": "other.txt"})
    assert ask(world, found(world, other)) is None


def test_another_owner_session_or_tool_gets_nothing(world: Any) -> None:
    made = grant(world, session="s1")
    assert ask(world, owner="w2") is None
    assert ask(world, session="s2") is None
    world.tool = replace(world.tool, description="Writes a file, and sends it somewhere.")
    assert ask(world) is None
    world.tool = ToolSpec("send_file", "", None)
    assert ask(world) is None
    assert Grants(world.store).get(made.id).uses == 0


def test_a_grant_of_a_session_holds_in_it(world: Any) -> None:
    grant(world, session="s1")
    assert ask(world, session="s1") is not None


def test_a_grant_is_over_when_its_time_is(world: Any) -> None:
    made = grant(world)
    world.clock.forward(minutes=59)
    assert ask(world) is not None
    world.clock.forward(minutes=1)
    assert ask(world) is None
    assert Grants(world.store).get(made.id).state == "expired"
    with pytest.raises(GrantOver, match="expired"):
        Grants(world.store).revoke(made.id, "Bo")


def test_a_clock_that_jumps_back_revives_nothing(world: Any) -> None:
    made = grant(world)
    world.clock.forward(hours=2)
    world.trail.fault("s1", "seen at this time")
    world.clock.forward(hours=-2)
    assert ask(world) is None
    assert Grants(world.store).get(made.id).state == "expired"


def test_a_grant_is_used_as_often_as_it_says_and_no_more(world: Any) -> None:
    made = grant(world, times=2, session="s1")
    assert [granted.use.number if (granted := ask(world)) else None for _ in range(4)] == [1, 2, None, None]
    assert Grants(world.store).get(made.id).state == "used up"
    assert world.trail.verify().ok


def test_where_one_grant_is_used_up_the_next_one_that_fits_is_used(world: Any) -> None:
    first, second = grant(world, times=1, session="s1"), grant(world)
    assert [ask(world).use.grant for _ in range(3)] == [first.id, second.id, second.id]


def test_a_revoked_grant_lets_nothing_pass_and_is_revoked_once(world: Any) -> None:
    made = grant(world)
    assert Grants(world.store).revoke(made.id, "Bo").state == "revoked"
    assert ask(world) is None
    with pytest.raises(GrantOver, match="revoked"):
        Grants(world.store).revoke(made.id, "Bo")


def test_a_persons_verdict_is_stored_by_the_use_of_a_grant_and_in_no_other_way(world: Any) -> None:
    call = Call.of("write_file", {"path": "notes.txt"})
    proposal = Proposal((Message("user", "write"),), world.tool, call)
    with pytest.raises(DecisionRefused):
        world.trail.decided("s1", proposal, world.verdict(Decision.ALLOW, call.digest, Source.HUMAN))
    assert nothing_passed(world)


def test_a_second_decision_about_a_call_counts_no_use(world: Any) -> None:
    made, call = grant(world), Call.of("write_file", {"path": "notes.txt"})
    proposal = Proposal((Message("user", "write"),), world.tool, call)
    assert Grants(world.store).use("s1", "w1", proposal, found(world, call))
    with pytest.raises(DecisionRefused):
        Grants(world.store).use("s1", "w1", proposal, found(world, call))
    assert Grants(world.store).get(made.id).uses == 1
    assert world.trail.verify().ok


@pytest.mark.parametrize(
    ("bounds", "error"),
    [
        ({"times": 3}, GrantRefused),
        ({"until": datetime(2026, 11, 24, 9, 0, tzinfo=UTC)}, GrantRefused),
        ({"until": datetime(2030, 1, 1)}, BadFilter),  # noqa: DTZ001 - the missing zone is the point
        ({"session": "s1", "times": 0}, BadFilter),
        ({"session": "s1", "times": -1}, BadFilter),
    ],
)
def test_a_grant_without_an_end_or_that_is_over_is_not_made(world: Any, bounds: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        grant(world, **bounds)
    assert Grants(world.store).all() == ([], [])


def test_nobody_makes_or_revokes_a_grant_without_a_name(world: Any) -> None:
    made = grant(world)
    with pytest.raises(BadFilter):
        Grants(world.store).revoke(made.id, " ")
    with pytest.raises(BadFilter):
        Grants(world.store).add("w1", world.tool, NOTES, "", session="s1")


def test_a_secret_cannot_be_granted(world: Any) -> None:
    for stated in ({"path": exactly("ghp_" + "a1B2" * 9)}, {"path": glob("hunter2-secret*")}):
        world.masker = Masker({"registered": "hunter2-secret"})
        world.restart()
        with pytest.raises(GrantRefused, match="secret"):
            grant(world, stated)
    assert not list(world.trail.records())


def test_an_unknown_grant_is_told_those_that_there_are(world: Any) -> None:
    made = grant(world)
    with pytest.raises(UnknownGrant, match=made.id):
        Grants(world.store).get("grant-zzzzzzzz")


def test_grants_are_listed_by_owner_and_outlive_the_program(world: Any) -> None:
    mine = grant(world)
    theirs = Grants(world.store).add("w2", world.tool, {}, "Bo", session="s9")
    world.restart()
    assert Grants(world.store).all("w1") == ([mine], [])
    assert Grants(world.store).all() == ([mine, theirs], [])


@pytest.mark.parametrize(
    "change",
    [
        "uses = 0",
        "times = 99",
        "times = NULL",
        "until = '2999-01-01T00:00:00.000000+00:00'",
        "until = NULL",
        "session = 's1'",
        "owner = 'w2'",
        """arguments = '{"path":{"glob":"**"}}'""",
        "arguments = '{}'",
        "arguments = 'x'",
        "tool = 'send_file'",
        "made_by = 'mallory'",
        "definition = ''",
        "revoked_at = NULL, revoked_by = NULL",
        "made_seq = 2",
        "created = '2000'",
    ],
)
def test_a_row_that_was_edited_by_hand_is_forged_and_lets_nothing_pass(world: Any, change: str) -> None:
    made = grant(world, times=2, until=world.clock.now + timedelta(hours=1))
    ask(world)
    if "revoked" in change:
        Grants(world.store).revoke(made.id, "Bo")
    assert world.trail.verify().ok
    with world.store.engine.begin() as conn:
        conn.exec_driver_sql(f"UPDATE call_grant SET {change}")
    assert ask(world) is None
    assert ask(world, owner="w2", content="evil") is None
    for attempt in (Grants(world.store).get, lambda id: Grants(world.store).revoke(id, "Bo")):
        with pytest.raises(Forged, match="so8t audit verify"):
            attempt(made.id)
    assert Grants(world.store).all() == ([], [made.id])
    verified = world.trail.verify()
    assert not verified.ok
    assert made.id in verified.problem


COLUMNS = (
    "id, owner, tool, definition, arguments, session, until, times, made_by, created, uses, revoked_by, revoked_at, "
    "made_seq, changed_seq"
)


def test_a_row_that_was_put_there_by_hand_is_forged(world: Any) -> None:
    made = grant(world, times=1, session="s1")
    ask(world)
    copied = COLUMNS.replace("id, owner", "'grant-zzzzzzzz', owner").replace(" uses,", " 0,")
    with world.store.engine.begin() as conn:
        conn.exec_driver_sql(f"INSERT INTO call_grant ({COLUMNS}) SELECT {copied} FROM call_grant")
    assert ask(world) is None
    assert Grants(world.store).all()[1] == ["grant-zzzzzzzz"]
    assert Grants(world.store).get(made.id).state == "used up"
    assert not world.trail.verify().ok


def test_the_database_itself_deletes_no_grant_and_counts_no_use_too_many(world: Any) -> None:
    grant(world, times=1, session="s1")
    for statement in ("DELETE FROM call_grant", "UPDATE call_grant SET uses = 2"):
        with (
            pytest.raises(Exception, match=r"never deleted|append-only|never_more"),
            world.store.engine.begin() as conn,
        ):
            conn.exec_driver_sql(statement)


def test_a_grant_that_was_taken_away_by_force_is_missed(world: Any) -> None:
    if world.store.file is None:
        pytest.skip("SQLite's file is open to whoever may write it")
    grant(world)
    with sqlite3.connect(world.store.file) as conn:
        conn.execute("DROP TRIGGER call_grant_no_delete")
        conn.execute("DELETE FROM call_grant")
    conn.close()
    assert "there are 0 grants, the trail knows 1" in world.trail.verify().problem


def test_a_database_from_before_grants_is_brought_along(world: Any) -> None:
    item = world.waiting()
    new = ("edited_arguments", "edited_digest", "edited_by", "edited_verdict", "effective_arguments", "reopened_seq")
    with world.store.engine.begin() as conn:
        conn.exec_driver_sql("DROP TABLE call_grant")
        for name in new:
            conn.exec_driver_sql(f"ALTER TABLE review_item DROP COLUMN {name}")
        conn.exec_driver_sql("UPDATE alembic_version SET version_num = '0001'")
    world.restart()
    assert world.queue.get(item.id).state == "pending"
    grant(world)
    assert ask(world) is not None
    assert world.trail.verify().ok


def begun(url: str, session: str, count: int) -> subprocess.Popen[str]:
    command = [sys.executable, str(WORKER), url, session, str(count)]
    started = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8")
    assert started.stdout
    assert started.stdout.readline() == "ready\n"
    return started


def test_several_programs_at_once_use_a_grant_exactly_as_often_as_it_says(url: str) -> None:
    with Store.open(url, Masker()) as store:
        until = datetime.now(UTC) + timedelta(hours=1)
        tool = ToolSpec("write_file", "Writes a file.", frozenset({"write"}))  # type: ignore[arg-type] - a StrEnum
        made = Grants(store).add("w1", tool, NOTES, "Aya", until=until, times=7)
        racing = [begun(url, f"p{n}", 10) for n in range(3)]
        for process in racing:
            assert process.stdin
            process.stdin.write("go\n")
            process.stdin.flush()
        said = Counter(line for process in racing for line in process.communicate("end\n")[0].splitlines())
        assert [said[f"used {number}"] for number in range(1, 8)] == [1] * 7
        assert said["waits"] == 23
        assert Grants(store).get(made.id).uses == 7
        assert len(list(Trail(store).records(kind="intent"))) == 7
        assert Trail(store).verify().ok


def test_a_program_that_dies_between_the_use_and_the_effect_leaves_one_use_and_unknown(url: str) -> None:
    with Store.open(url, Masker()) as store:
        until = datetime.now(UTC) + timedelta(hours=1)
        tool = ToolSpec("write_file", "Writes a file.", frozenset({"write"}))  # type: ignore[arg-type] - a StrEnum
        made = Grants(store).add("w1", tool, NOTES, "Aya", until=until, times=1)
        dying = begun(url, "p0", 1)
        assert dying.stdin
        assert dying.stdout
        dying.stdin.write("go\n")
        dying.stdin.flush()
        assert dying.stdout.readline() == "used 1\n"
        started = dying.stdout.readline().split()[1]
        dying.kill()
        dying.communicate()
        assert [intent.subject for intent in recover(store)] == [started]
        assert Grants(store).get(made.id).state == "used up"
        after = begun(url, "p1", 1)
        assert after.communicate("go\nend\n")[0] == "waits\n"
        assert len(list(Trail(store).records(kind="intent"))) == 1
        assert Trail(store).verify().ok
