"""`so8t grants`: made, listed, used by `so8t run`, told by `so8t why`, revoked."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

So8t = Callable[..., Any]
pytestmark = pytest.mark.usefixtures("marker_gate")
NOTE = ("write_file", "--argument", "path=note.txt", "--argument", "content=grayword")


def wish(script: Any, **more: Any) -> None:
    arguments = {"path": "note.txt", "content": "grayword"} | more
    script({"calls": [{"name": "write_file", "arguments": arguments}]}, {"text": "So it is."})


def add(so8t: So8t, *options: str) -> dict[str, Any]:
    done = so8t("grants", "add", *NOTE, *options, "--by", "Aya", "--json")
    assert done.code == 0, done
    made: dict[str, Any] = done.json[0]
    return made


def test_a_granted_call_of_a_run_is_done_and_why_tells_the_grant(so8t: So8t, script: Any, folder: Path) -> None:
    wish(script)
    made = add(so8t, "--times", "1")
    done = so8t("run", "-p", "write a word into note.txt", "--json")
    assert done.code == 0
    assert (folder / "note.txt").read_text(encoding="utf-8") == "grayword"
    call = next(event for event in done.json if event["kind"] == "verdict")
    why = so8t("why", call["call"]["id"]).out
    assert f"let pass by {made['id']} of Aya, use 1 of 1; the gate alone said ESCALATE by head" in why
    assert f"ALLOW human: the grant {made['id']} of Aya lets it pass" in why
    assert "ESCALATE head: " in why
    shown = so8t("grants", "show", made["id"])
    assert shown.out.startswith(f"{made['id']}  used up\n")
    assert f"use 1: the call {call['call']['id']}" in shown.out
    assert so8t("why", made["id"]).code == 0
    assert so8t("run", "-p", "write it again").code == 3
    assert so8t("audit", "verify").code == 0


def test_replaying_the_gate_sees_what_the_gate_said_not_what_the_grant_made_of_it(so8t: So8t, script: Any) -> None:
    wish(script)
    add(so8t)
    assert so8t("run", "-p", "write a word into note.txt").code == 0
    done = so8t("gate", "replay", "--json")
    assert done.code == 0
    assert all(line.get("then") == line.get("now") for line in done.json if "then" in line)
    assert "ESCALATE" in done.out


def test_a_policy_rule_stands_above_every_grant(so8t: So8t, script: Any, folder: Path) -> None:
    with (folder / "agent.toml").open("a", encoding="utf-8") as file:
        file.write(
            '\n[[gate.rule]]\nname = "eyes"\ntool = "write_file"\ndecision = "escalate"\nreason = "look first"\n'
        )
    wish(script)
    add(so8t)
    assert so8t("run", "-p", "write a word into note.txt").code == 3
    assert not (folder / "note.txt").exists()


@pytest.mark.parametrize("more", [{"overwrite": True}, {"overwrite": False}, {"path": "note.txt\u200b"}], ids=ascii)
def test_one_argument_more_or_one_invisible_character_makes_a_call_wait(
    so8t: So8t, script: Any, more: dict[str, Any]
) -> None:
    wish(script, **more)
    add(so8t)
    assert so8t("run", "-p", "write a word into note.txt").code == 3


def test_a_grant_holds_in_its_own_folder_only(
    so8t: So8t, script: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = add(so8t)
    other = folder.with_name("there")
    other.mkdir()
    monkeypatch.chdir(other)
    assert so8t("grants", "--json").json == []
    assert [one["id"] for one in so8t("grants", "--all", "--json").json] == [made["id"]]
    (other / "agent.toml").write_text('[model]\nengine = "scripted"\nscripted.file = "script.json"\n', encoding="utf-8")
    wish(script)
    (folder / "script.json").rename(other / "script.json")
    assert so8t("run", "-p", "write a word into note.txt").code == 3


def test_what_is_granted_is_shown_whole(so8t: So8t) -> None:
    long = "x" * 3000
    arguments = ("--argument", f"content={long}\u200b\x1b[2J", "--argument-glob", "path=メモ/*.txt")
    done = so8t("grants", "add", "write_file", *arguments, "--until", "2099-01-01T00:00Z", "--by", "綾")
    assert done.code == 0
    assert long + "\\u200b\\u001b[2J" in done.out
    assert 'path fits "メモ/*.txt"' in done.out
    assert "until 2099-01-01T00:00:00Z, 0 uses of any number" in done.out
    assert "made by   綾" in done.out


def test_a_grant_without_an_end_is_for_a_day(so8t: So8t) -> None:
    made = add(so8t)
    assert (made["session"], made["times"]) == (None, None)
    assert made["until"][:10] > made["created"][:10]


def test_a_grant_for_a_session_names_one_that_is_known(so8t: So8t, script: Any) -> None:
    wish(script)
    so8t("run", "-p", "write a word into note.txt")
    (begun,) = {r["session"] for r in so8t("audit", "export").json if r["kind"] == "session"}
    assert add(so8t, "--session", begun)["session"] == begun
    so8t("grants", "add", *NOTE, "--session", "zzz", "--by", "Aya").failed("no session 'zzz'")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("write_file", "--argument", "path=a"), "content"),
        (("write_file", *NOTE[1:], "--argument", "path=b"), "stated twice"),
        (("write_file", *NOTE[1:], "--argument", "pth=b"), "path"),
        (("write_file", *NOTE[1:], "--argument", "overwrite=maybe"), "overwrite"),
        (("write_file", *NOTE[1:], "--argument-glob", "overwrite=*"), "no text"),
        (("write_file", "--argument", "path"), "NAME=VALUE"),
        (("write_file", "--argument", "content=x", "--argument-glob", "path="), "empty pattern"),
        (("write_file", "--argument", "content=x", "--argument-glob", "path=a\u200b*"), "U+200B"),
        ((*NOTE, "--times", "0"), "--times"),
        ((*NOTE, "--until", "tomorrow"), "ISO 8601"),
        ((*NOTE, "--until", "2099-01-01", "--session", "s"), "--session or --until"),
    ],
)
def test_a_grant_that_says_too_little_is_a_wrong_command_line(so8t: So8t, options: tuple[str, ...], says: str) -> None:
    so8t("grants", "add", *options, "--by", "Aya").failed(says, code=2)
    assert so8t("grants", "--all", "--json").json == []


def test_what_cannot_be_granted_is_a_clear_error(so8t: So8t) -> None:
    so8t("grants", "add", "write_fil", "--by", "Aya").failed("write_file")
    so8t("grants", "add", *NOTE, "--until", "2020-01-01", "--by", "Aya").failed("over already")
    so8t("grants", "add", *NOTE, "--by", " ").failed("name")
    so8t("grants", "add", *NOTE).failed("--by", code=2)
    so8t("grants", "show", "grant-zz").failed("grant-zz")
    so8t("grants", "revoke", "grant-zz", "--by", "Bo").failed("grant-zz")
    so8t("grants", "ad").failed("add", code=2)


def test_a_revoked_grant_is_gone_from_the_list_and_lets_nothing_pass(so8t: So8t, script: Any) -> None:
    wish(script)
    made = add(so8t)
    assert made["id"] in so8t("grants").out
    assert so8t("grants", "revoke", made["id"], "--by", "Bo").code == 0
    assert "no grants" in so8t("grants").out
    assert so8t("grants", "show", made["id"], "--json").json[0]["revoked_by"] == "Bo"
    so8t("grants", "revoke", made["id"], "--by", "Bo").failed("revoked already", code=7)
    assert so8t("run", "-p", "write a word into note.txt").code == 3


def test_a_forged_grant_is_named_and_lets_nothing_pass(so8t: So8t, script: Any, folder: Path) -> None:
    wish(script, content="grayword 2")
    made, sound = add(so8t), add(so8t, "--times", "3")
    with sqlite3.connect(folder.with_name("data") / "so8t.db") as conn:
        evil = made["arguments"] | {"content": {"glob": "**"}}
        text = str(evil).replace("'", '"')
        conn.execute("UPDATE call_grant SET arguments = ? WHERE id = ?", (text, made["id"]))
    conn.close()
    assert so8t("run", "-p", "write a word into note.txt").code == 3
    listed = so8t("grants")
    listed.failed(made["id"], "so8t audit verify")
    assert sound["id"] in listed.out
    so8t("grants", "show", made["id"]).failed("by hand")
    assert so8t("audit", "verify").code == 1
