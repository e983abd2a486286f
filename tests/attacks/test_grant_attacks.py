"""Grants under attack: by the model's arguments, by a hand in the database, by text on its way to the terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from judged_calls import TOOL, proposal, verdict

from so8t.agent.cli.grants_output import grant_line, grant_text
from so8t.agent.story import story_lines
from so8t.agent.terminal import safe
from so8t.audit_db import Grant, Grants, Masker, ReviewQueue, Store, Trail
from so8t.audit_db.errors import ReviewError, UnknownGrant
from so8t.gate.contract import Call, Decision, Effect, ToolSpec
from so8t.gate.grants import Stated, exactly, glob

HOSTILE = (
    "\x1b[2J\x1b]52;c;ZXZpbA==\x07\x9b2J\b\r\nAPPROVED by alice\u202egpj.exe\u200b\u2028\U000e0041" + "\u0301" * 50
)

Pass = Callable[..., bool]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "so8t.db", Masker()) as opened:
        yield opened


@pytest.fixture
def passes(store: Store) -> Pass:
    """Whether a grant lets the call with these arguments pass."""

    def ask(arguments: dict[str, Any], owner: str = "w1", tool: ToolSpec = TOOL) -> bool:
        call = Call.of(tool.name, arguments)
        said = verdict(call, Decision.ESCALATE)
        return Grants(store).use("s1", owner, proposal(call, "go on", tool), said) is not None

    return ask


def grant(store: Store, stated: Stated, by: str = "Aya", owner: str = "w1", **bounds: Any) -> Grant:
    until = datetime.now(UTC) + timedelta(hours=1)
    return Grants(store).add(owner, TOOL, stated, by, **{"until": until} | bounds)


SMUGGLED = (
    *("\u200b", "\u200d", "\u2060", "\ufeff", "\u00ad", "\u202e", "\u2066", "\ufe0f", "\U000e0041", "\U000e0100"),
    *("\u0000", "\u00a0", "\u3164", "\u0301", "\r", "\n", " ", "\t"),
)


@pytest.mark.parametrize("extra", SMUGGLED, ids=ascii)
@pytest.mark.parametrize("place", [0, 3, 9])
def test_a_value_with_one_character_that_nobody_sees_is_another_value(
    store: Store, passes: Pass, extra: str, place: int
) -> None:
    grant(store, {"path": exactly("notes.txt")})
    assert not passes({"path": "notes.txt"[:place] + extra + "notes.txt"[place:]})
    assert not passes({"path" + extra: "notes.txt"})
    assert passes({"path": "notes.txt"})


@pytest.mark.parametrize("twin", ["nоtes.txt", "ｎotes.txt", "notes․txt", "NOTES.TXT", "./notes.txt", "notes.txt/"])
def test_a_look_alike_of_the_value_is_another_value(store: Store, passes: Pass, twin: str) -> None:
    grant(store, {"path": exactly("notes.txt")})
    assert not passes({"path": twin})


def test_a_value_with_wildcards_in_it_is_no_pattern(store: Store, passes: Pass) -> None:
    grant(store, {"path": exactly("*")})
    assert not passes({"path": "anything"})
    assert passes({"path": "*"})


@pytest.mark.parametrize("path", ["notes/../agent.toml", "notes/..", "notes/a/../../x", "../notes/a", "notes\\..\\x"])
def test_no_pattern_is_climbed_out_of(store: Store, passes: Pass, path: str) -> None:
    grant(store, {"path": glob("notes/**")})
    grant(store, {"path": glob("**")})
    assert not passes({"path": path})


def test_a_tool_whose_definition_changed_after_the_grant_is_another_tool(store: Store, passes: Pass) -> None:
    grant(store, {})
    for changed in (
        ToolSpec("write_file", "Writes a file. ", TOOL.effects),
        ToolSpec("write_file", TOOL.description, frozenset({Effect.WRITE, Effect.SEND})),
        ToolSpec("write_file", TOOL.description, None),
        ToolSpec("write_file", TOOL.description, TOOL.effects, {"type": "object"}),
        ToolSpec("write_fi1e", TOOL.description, TOOL.effects),
    ):
        assert not passes({}, tool=changed)
    assert passes({})


@pytest.mark.parametrize("id", ["' OR 1=1 --", "%", "grant-%", "", "grant-' UNION SELECT", "\x00"], ids=ascii)
def test_sql_in_an_id_or_an_owner_finds_nothing(store: Store, passes: Pass, id: str) -> None:
    grant(store, {})
    with pytest.raises(UnknownGrant):
        Grants(store).get(id)
    with pytest.raises(UnknownGrant):
        Grants(store).revoke(id, "mallory")
    assert Grants(store).all(id) == ([], [])
    assert not passes({}, owner=id)


def test_a_grant_is_no_review_item_and_a_review_item_no_grant(store: Store) -> None:
    made = grant(store, {})
    for attempt in (ReviewQueue(store).get, lambda id: ReviewQueue(store).approve(id, "0" * 64, "mallory")):
        with pytest.raises(ReviewError):
            attempt(made.id)


def test_the_row_of_an_old_use_cannot_be_replayed(store: Store, passes: Pass) -> None:
    grant(store, {}, times=1)
    with store.engine.begin() as conn:
        before = conn.exec_driver_sql("SELECT uses, changed_seq FROM call_grant").one()
    assert passes({})
    with store.engine.begin() as conn:  # the row as it was, put back
        conn.exec_driver_sql("UPDATE call_grant SET uses = ?, changed_seq = ?", tuple(before))
    assert not passes({})
    assert not Trail(store).verify().ok


def test_hostile_text_in_every_field_reaches_the_terminal_harmless(store: Store) -> None:
    stated = {f"p{HOSTILE}": exactly(HOSTILE), "q": exactly({HOSTILE: [HOSTILE]}), "r": glob("メモ/*")}
    made = grant(store, stated, by=f"Aya{HOSTILE}", owner=HOSTILE, session=HOSTILE)
    done = Grants(store).revoke(made.id, f"Bo{HOSTILE}")
    shown = [grant_line(done), grant_text(done), *story_lines(Grants(store).records(made.id))]
    for text in shown:
        assert "\x1b" not in text
        assert all(safe(line, lines=False) == line for line in text.split("\n"))
    assert "メモ/*" in shown[1]
    assert len(shown[0].split("\n")) == 1
    assert len(shown[1].split("\n")) == 1 + 1 + 3 + 4
