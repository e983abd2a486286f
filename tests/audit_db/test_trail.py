"""What the agent records, and what it may not."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

import pytest

from so8t.audit_db.errors import BadFilter, DecisionRefused, IntentRefused, OutcomeRefused
from so8t.gate.contract import Call, Decision, Message, Proposal, Source
from so8t.gate.strict_json import loads


def test_a_call_from_message_to_outcome_is_one_whole_chain(world: Any) -> None:
    call = world.call()
    world.trail.session("s1", {"model": "so8t-mini"})
    world.trail.message("s1", Message("user", "write my notes"))
    world.decided(call, Decision.ALLOW)
    world.trail.intent("s1", call, Source.HEAD)
    world.trail.outcome("s1", call.id, "done", "written", False, 3.5)
    kinds = [r.kind for r in world.trail.records()]
    assert kinds == ["session", "message", "decision", "intent", "outcome"]
    assert [r.seq for r in world.trail.records()] == [1, 2, 3, 4, 5]
    found = world.trail.verify()
    assert (found.ok, found.rows, found.first_bad, found.anchored) == (True, 5, None, False)


def test_a_decision_keeps_everything_that_explains_it(world: Any) -> None:
    call = world.call(path="a.txt")
    world.decided(call, Decision.ESCALATE, words="schreib das auf, 書いて")
    (found,) = world.trail.records(kind="decision")
    body = found.body
    assert (found.decision, found.subject, body["about"]) == ("ESCALATE", call.id, "call")
    assert body["call"] == {"name": "write_file", "arguments": '{"path":"a.txt"}'}
    assert loads(body["call"]["arguments"]) == {"path": "a.txt"}
    assert body["digest"] == call.digest
    assert body["effects"] == ["write"]
    assert body["user_text"] == "schreib das auf, 書いて"
    assert body["probabilities"] == [0.2, 0.7, 0.1]
    assert body["thresholds"] == {"allow": 0.9, "refuse": 0.8}
    assert body["versions"]["backbone"] == "all-MiniLM-L6-v2"
    assert body["findings"][0] == {
        "source": "head",
        "decision": "ESCALATE",
        "reason": "the head says ESCALATE",
        "rule": None,
    }


def test_a_verdict_on_a_turn_is_recorded_under_a_fresh_id(world: Any) -> None:
    proposal = Proposal((Message("user", "hello"),))
    first = world.trail.decided("s1", proposal, world.verdict(Decision.ALLOW, proposal.digest))
    second = world.trail.decided("s1", proposal, world.verdict(Decision.ALLOW, proposal.digest))
    assert first != second
    assert [r.subject for r in world.trail.records(kind="decision")] == [first, second]


def test_a_verdict_on_something_else_is_refused(world: Any) -> None:
    proposal = Proposal((Message("user", "x"),), world.tool, world.call(path="a"))
    with pytest.raises(DecisionRefused, match="not about this proposal"):
        world.trail.decided("s1", proposal, world.verdict(Decision.ALLOW, world.call(path="b").digest))
    assert list(world.trail.records()) == []


def test_a_call_is_decided_once(world: Any) -> None:
    call = world.call()
    world.decided(call, Decision.REFUSE)
    with pytest.raises(DecisionRefused, match="decided before"):
        world.decided(call, Decision.ALLOW)


@pytest.mark.parametrize("decision", [Decision.ESCALATE, Decision.REFUSE])
def test_only_a_stored_allow_lets_a_call_start(world: Any, decision: Decision) -> None:
    call = world.call()
    with pytest.raises(IntentRefused, match="nothing stored says ALLOW"):
        world.trail.intent("s1", call, Source.HEAD)
    world.decided(call, decision)
    with pytest.raises(IntentRefused, match="nothing stored says ALLOW"):
        world.trail.intent("s1", call, Source.HEAD)


def test_another_call_under_the_same_id_does_not_start(world: Any) -> None:
    call = world.call(path="a")
    world.decided(call, Decision.ALLOW)
    with pytest.raises(IntentRefused, match="not the one that was allowed"):
        world.trail.intent("s1", Call("write_file", '{"path":"b"}', call.id), Source.HEAD)


def test_a_call_starts_once_and_ends_once(world: Any) -> None:
    call = world.call()
    world.decided(call, Decision.ALLOW)
    with pytest.raises(OutcomeRefused, match="never started"):
        world.trail.outcome("s1", call.id, "done", "", False, 1)
    world.trail.intent("s1", call, Source.HEAD)
    with pytest.raises(IntentRefused, match="started before"):
        world.trail.intent("s1", call, Source.HEAD)
    world.trail.outcome("s1", call.id, "done", "", False, 1)
    with pytest.raises(OutcomeRefused, match="recorded already"):
        world.trail.outcome("s1", call.id, "error", "", False, 1)
    assert world.trail.verify().ok


def test_an_intent_of_a_dead_session_becomes_unknown_and_stays_so(world: Any) -> None:
    call, other = world.call(), world.call()
    for session, made in (("s1", call), ("s2", other)):
        world.decided(made, Decision.ALLOW)
        world.trail.intent(session, made, Source.HEAD)
    (left,) = world.trail.open_intents({"s2"})
    assert (left.session, left.subject) == ("s1", call.id)
    world.trail.mark_unknown(left)
    assert [r.subject for r in world.trail.open_intents()] == [other.id]
    with pytest.raises(OutcomeRefused):
        world.trail.outcome("s1", call.id, "done", "", False, 1)
    with pytest.raises(IntentRefused):
        world.trail.intent("s1", call, Source.HEAD)


def test_odd_text_and_numbers_are_recorded_and_never_stop_the_trail(world: Any) -> None:
    deep: Any = "bottom"
    for _ in range(200):
        deep = [deep]
    world.trail.invalid("s1", "write_\ud800file", '{"a": 1, "a": 2}', "the key 'a' stands twice")
    world.trail.message("s1", Message("user", "broken \udfff, NUL \0, bidi \u202e, 日本語 🎌"))
    world.trail.session("s1", {"nan": math.nan, "big": 2**70, "deep": deep, "set": {"b", "a"}, "none": None})
    invalid, message, session = world.trail.records()
    assert invalid.body["name"] == "write_\\ud800file"
    assert message.body["content"] == "broken \\udfff, NUL \\0, bidi \u202e, 日本語 🎌"
    assert session.body["nan"] == "nan"
    assert session.body["big"] == str(2**70)
    assert session.body["set"] == ["a", "b"]
    assert world.trail.verify().ok


def test_a_conversation_is_read_back_as_it_was(world: Any) -> None:
    call = world.call(path="ノート.txt", lines=[1, 2.5, None])
    said = [
        Message("user", "メモを書いて"),
        Message("assistant", "", (call,)),
        Message("tool", "written", tool="write_file", call_id=call.id),
    ]
    for message in said:
        world.trail.message("s1", message)
    world.trail.message("s2", Message("user", "someone else"))
    assert world.trail.conversation("s1") == said


def test_filters_find_records_and_name_what_is_valid(world: Any) -> None:
    for index in range(450):
        world.trail.fault("s1" if index % 2 else "s2", f"number {index} of Größe")
        world.clock.forward(seconds=1)
    start = world.clock.now - timedelta(seconds=450)
    assert len(list(world.trail.records(session="s1"))) == 225
    assert len(list(world.trail.records(limit=7, after_seq=400))) == 7
    assert next(world.trail.records(after_seq=400)).seq == 401
    assert len(list(world.trail.records(since=start + timedelta(seconds=440)))) == 10
    assert len(list(world.trail.records(until=start + timedelta(seconds=10)))) == 10
    assert [r.seq for r in world.trail.records(text="NUMBER 449 of Größe")] == [450]
    assert list(world.trail.records(kind="decision")) == []
    with pytest.raises(BadFilter, match="unknown kind 'descision'; valid: decision"):
        world.trail.records(kind="descision")
    with pytest.raises(BadFilter, match="valid: ALLOW"):
        world.trail.records(decision="ALOW")
    with pytest.raises(BadFilter, match="no time zone"):
        world.trail.records(since=start.replace(tzinfo=None))


def test_text_with_quotes_and_line_ends_is_found_in_messages_and_in_arguments(world: Any) -> None:
    world.trail.message("s1", Message("user", 'say "hi"\nnow'))
    world.decided(world.call(content='say "hi"\nnow'), Decision.ALLOW)
    world.trail.fault("s1", "100% of a_b")
    assert [r.kind for r in world.trail.records(text='"hi"\nnow')] == ["message", "decision"]
    assert [r.kind for r in world.trail.records(text="100%")] == ["fault"]
    assert list(world.trail.records(text="100_")) == []


def test_the_story_of_a_call_holds_the_turn_that_led_to_it(world: Any) -> None:
    world.trail.message("s1", Message("user", "an earlier wish"))
    world.trail.message("s1", Message("user", "write my notes"))
    turn = Proposal((Message("user", "write my notes"),))
    turn_id = world.trail.decided("s1", turn, world.verdict(Decision.ALLOW, turn.digest))
    world.trail.message("other", Message("user", "noise"))
    item = world.approved()
    call = world.queue.call_of(item)
    world.queue.consume(item.id, call, "s1")
    world.trail.outcome("s1", item.id, "done", "ok", False, 2)
    told = world.trail.story(item.id)
    events = [(r.kind, r.body.get("event") or r.body.get("content")) for r in told]
    assert events == [
        ("message", "write my notes"),
        ("decision", None),
        ("decision", None),
        ("review", "submitted"),
        ("review", "state"),
        ("review", "state"),
        ("review", "acknowledged"),
        ("intent", None),
        ("outcome", None),
        ("review", "state"),
    ]
    assert [r.subject for r in told][1] == turn_id
    assert [r.kind for r in world.trail.story(turn_id)] == ["message", "decision"]
    assert world.trail.story("no such") == []
