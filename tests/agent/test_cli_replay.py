"""`so8t gate replay` and `so8t train cases from-reviews`: the trail of real runs, asked again and learned from."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

So8t = Callable[..., Any]
pytestmark = pytest.mark.usefixtures("marker_gate")

SECRET = "ghp_" + "a1B2c3D4e5F6" * 3


@pytest.fixture
def past(so8t: So8t, folder: Path, script: Callable[..., None]) -> Path:
    """Three runs: one call ran, one waited and was approved, one waited and was refused. The configuration file."""
    for said, name, decide in (
        ("keep hello", "a.txt", None),
        ("keep grayword", "b.txt", ("approve", "fine")),
        (f"keep grayword {SECRET}", "c.txt", ("refuse", "no keys on disk")),
    ):
        call = {"name": "write_file", "arguments": {"path": name, "content": said}}
        script({"calls": [call]}, {"text": "There."})
        so8t("run", "-p", f"put it into {name}")
        if decide:
            item = so8t("review", "list", "--json").json[0]
            more = ("--digest", item["digest"]) if decide[0] == "approve" else ("--reason", decide[1])
            assert so8t("review", decide[0], item["id"], "--reviewer", "Aya", *more).code == 0
    return folder / "agent.toml"


def test_the_gate_that_decided_decides_the_same_again(so8t: So8t, past: Path) -> None:
    done = so8t("gate", "replay")
    assert done.code == 0
    assert "6 decisions judged again, 0 would be others" in done.out  # three turns, three calls


def test_a_stricter_threshold_shows_what_would_no_longer_run(so8t: So8t, past: Path) -> None:
    done = so8t("gate", "replay", "--json", "--allow-threshold", "1.5")
    assert done.code == 0
    *flips, counts = done.json
    assert {(flip["then"], flip["now"]) for flip in flips} == {("ALLOW", "ESCALATE")}
    assert counts["counts"]["ALLOW"] == {"ALLOW": 0, "ESCALATE": 4, "REFUSE": 0}


def test_a_rule_of_today_is_tried_on_the_calls_of_yesterday(so8t: So8t, past: Path) -> None:
    rule = '[[gate.rule]]\nname = "b"\ntool = "write_file"\narguments = { path = { equals = "b.txt" } }\n'
    past.write_text(f'{past.read_text()}\n{rule}decision = "refuse"\nreason = "never b"\n', encoding="utf-8")
    (flip, counts) = so8t("gate", "replay", "--json").json
    assert (flip["then"], flip["now"], flip["reviewer"]["name"]) == ("ESCALATE", "REFUSE", "Aya")
    assert flip["call"]["arguments"]["path"] == "b.txt"
    assert "never b" in flip["reasons"][0]
    assert counts["flips"] == 1


def test_what_was_refused_and_would_be_allowed_comes_first_and_has_an_exit_code(
    so8t: So8t, folder: Path, script: Callable[..., None]
) -> None:
    config = folder / "agent.toml"
    before = config.read_text(encoding="utf-8")
    rule = '[[gate.rule]]\nname = "x"\ntool = "write_file"\ndecision = "refuse"\nreason = "not today"\n'
    config.write_text(before + rule, encoding="utf-8")
    for content in ("grayword", "hello"):
        script({"calls": [{"name": "write_file", "arguments": {"path": "a", "content": content}}]}, {"text": "."})
        config.write_text(before + rule, encoding="utf-8")
        so8t("run", "-p", "write a")
    config.write_text(before, encoding="utf-8")
    done = so8t("gate", "replay")
    assert done.code == 6
    lines = done.out.splitlines()
    assert lines[0].startswith("REFUSE -> ALLOW")
    assert lines[1].startswith("REFUSE -> ESCALATE")


def test_replaying_nothing_and_another_time_or_session_are_no_errors(so8t: So8t, past: Path) -> None:
    assert "0 decisions" in so8t("gate", "replay", "--since", "2999-01-01").out
    assert "0 decisions" in so8t("gate", "replay", "--session", "nobody").out
    so8t("gate", "replay", "--head", "nowhere").failed("nowhere")
    so8t("gate", "replay", "--since", "soon").failed("ISO 8601", code=2)


def test_replaying_records_nothing(so8t: So8t, past: Path) -> None:
    before = so8t("audit", "export").out
    so8t("gate", "replay", "--allow-threshold", "1.5")
    assert so8t("audit", "export").out == before


def test_reviewed_calls_become_cases_that_the_gate_can_be_measured_on(so8t: So8t, past: Path) -> None:
    assert so8t("train", "cases", "from-reviews", "--out", "mine.jsonl").code == 0
    text = Path("mine.jsonl").read_text(encoding="utf-8")
    first, second = map(json.loads, text.splitlines())
    assert (first["label"], second["label"]) == ("ALLOW", "REFUSE")
    assert first["messages"][-1] == {"role": "user", "content": "put it into b.txt"}
    assert first["tool"]["effects"] == ["write"]
    assert first["tool"]["description"]
    assert (second["rationale"], second["decided"]["by"]) == ("no keys on disk", "Aya")
    assert SECRET not in text
    record = so8t("audit", "show", str(second["decided"]["record"]), "--json").json[0]
    assert (record["hash"], record["body"]["state"]) == (second["decided"]["hash"], "refused")
    figures = so8t("gate", "check", "--json", "--cases", "mine.jsonl").json[0]
    assert (figures["cases"], figures["labelled"], figures["bad_lines"]) == (2, 2, 0)


def test_no_review_is_told_and_no_file_is_overwritten(so8t: So8t, folder: Path, past: Path) -> None:
    (folder / "there.jsonl").write_text("mine", encoding="utf-8")
    so8t("train", "cases", "from-reviews", "--out", "there.jsonl").failed("exists already", code=2)
    assert (folder / "there.jsonl").read_text(encoding="utf-8") == "mine"


def test_a_trail_without_reviews_gives_no_cases(so8t: So8t, script: Callable[..., None]) -> None:
    script({"text": "hello"})
    so8t("run", "-p", "hi")
    so8t("train", "cases", "from-reviews").failed("no reviewer has decided")


def test_a_new_conversation_does_not_carry_the_old_words_into_a_case(world: Any, replies: Any) -> None:
    import asyncio

    from so8t.agent.stored import stored

    async def talk() -> list[str]:
        async with world(replies({"text": "ok"}, {"text": "ok"})) as w:
            await w.agent.turn("first words")
            await w.agent.forget()
            await w.agent.turn("second words")
            last = list(stored(w.trail, {}))[-1]
            return [message.content for message in last.proposal.messages]

    assert asyncio.run(talk()) == ["second words"]
