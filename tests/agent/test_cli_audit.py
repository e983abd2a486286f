"""`so8t audit` and `so8t why`: reading, checking and exporting the trail of a run."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

So8t = Callable[..., Any]
pytestmark = pytest.mark.usefixtures("marker_gate")


@pytest.fixture
def past(so8t: So8t, folder: Path) -> list[dict[str, Any]]:
    """A run is over: one call ran, one waits. The trail's records."""
    (folder / "agent.toml").write_text(
        '[model]\nengine = "scripted"\nscripted.file = "script.json"\n', encoding="utf-8"
    )
    calls = [
        {"name": "write_file", "arguments": {"path": "=a.txt", "content": text}} for text in ("hello", "漢字\u202e")
    ]
    script = [{"calls": calls}, {"text": "There."}]
    (folder / "script.json").write_text(json.dumps(script), encoding="utf-8")
    assert so8t("run", "-p", "write it").code == 3
    records: list[dict[str, Any]] = so8t("audit", "list", "--json").json
    return records


def of(records: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [record for record in records if record["kind"] == kind]


def test_the_list_has_every_record_once_and_in_order(so8t: So8t, past: list[dict[str, Any]]) -> None:
    assert [record["seq"] for record in past] == list(range(1, len(past) + 1))
    assert [record["previous"] for record in past[1:]] == [record["hash"] for record in past[:-1]]
    kinds = [record["kind"] for record in past]
    assert [kinds[0], kinds[-1]] == ["session", "session"]
    assert sorted(kind for kind in kinds if kind not in ("session", "message")) == [
        "decision", "decision", "decision", "intent", "outcome", "review"
    ]  # fmt: skip
    lines = so8t("audit", "list").out.splitlines()
    assert len(lines) == len(past)
    assert all(str(record["seq"]) in line and record["kind"] in line for record, line in zip(past, lines, strict=True))


@pytest.mark.parametrize("options", [(), ("--limit", "1000")])
def test_the_filters_choose_and_the_limit_keeps_the_newest(
    so8t: So8t, past: list[dict[str, Any]], options: tuple[str, ...]
) -> None:
    def seqs(*more: str) -> list[int]:
        return [record["seq"] for record in so8t("audit", "list", "--json", *options, *more).json]

    assert seqs("--kind", "decision") == [r["seq"] for r in of(past, "decision")]
    assert seqs("--decision", "ESCALATE") == [r["seq"] for r in past if r["decision"] == "ESCALATE"]
    assert (
        seqs("--text", "漢字") == [r["seq"] for r in past if "漢字" in json.dumps(r["body"], ensure_ascii=False)] != []
    )
    assert seqs("--session", "nobody") == seqs("--until", "2020-01-01") == seqs("--since", "2999-01-01") == []
    assert seqs("--session", past[0]["session"], "--since", "2020-01-01") == [r["seq"] for r in past]
    assert seqs("--limit", "2") == [r["seq"] for r in past[-2:]]


def test_one_record_is_shown_whole(so8t: So8t, past: list[dict[str, Any]]) -> None:
    intent = of(past, "intent")[0]
    assert so8t("audit", "show", intent["seq"], "--json").json == [intent]
    out = so8t("audit", "show", intent["seq"]).out
    assert intent["hash"] in out
    assert intent["previous"] in out


def test_a_record_that_is_not_there_is_exit_code_1(so8t: So8t, past: list[dict[str, Any]]) -> None:
    so8t("audit", "show", len(past) + 1).failed(f"no record {len(past) + 1}")
    so8t("audit", "show", 2**63 - 1).failed("no record")
    so8t("audit", "show", 2**63).failed("range", code=2)


def test_why_tells_the_story_from_the_decision_to_the_outcome(so8t: So8t, past: list[dict[str, Any]]) -> None:
    id = of(past, "outcome")[0]["subject"]
    kinds = [record["kind"] for record in so8t("why", id, "--json").json]
    assert [kind for kind in kinds if kind != "message"] == ["decision", "decision", "intent", "outcome"]
    out = so8t("why", id).out
    for text in (
        "the user's turn: write it",
        "ALLOW by head",
        "write_file",
        "hello",
        "probabilities: ALLOW 0.9",
        "allowed by head",
        "done after",
    ):
        assert text in out
    assert "漢字‹U+202E›" in so8t("why", of(past, "review")[0]["subject"]).out
    so8t("why", "zzzzzzzz").failed("zzzzzzzz", "so8t audit list")


def test_a_whole_trail_verifies(so8t: So8t, past: list[dict[str, Any]]) -> None:
    done = so8t("audit", "verify")
    assert done.code == 0
    assert f"{len(past)} records, the chain holds" in done.out
    assert so8t("audit", "verify", "--json").json[0]["ok"] is True


@pytest.mark.parametrize(
    "change", ["UPDATE record SET subject = 'other' WHERE seq = 4", "DELETE FROM record WHERE seq = 4"]
)
def test_a_changed_trail_is_exit_code_1_and_names_the_record(
    so8t: So8t, past: list[dict[str, Any]], tmp_path: Path, change: str
) -> None:
    with sqlite3.connect(tmp_path / "data" / "so8t.db") as database:
        for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            database.execute(f"DROP TRIGGER {name}")
        database.execute(change)
    database.close()
    done = so8t("audit", "verify")
    assert done.code == 1
    assert "BAD" in done.out
    found = so8t("audit", "verify", "--json")
    assert (found.code, found.json[0]["ok"], found.json[0]["first_bad"]) == (1, False, 4)
    assert so8t("doctor").code == 1


def test_json_lines_hold_what_the_list_holds(so8t: So8t, past: list[dict[str, Any]], folder: Path) -> None:
    assert so8t("audit", "export").json == past
    done = so8t("audit", "export", "--out", "trail.jsonl")
    assert done.err == f"{len(past)} records written to trail.jsonl\n"
    assert [json.loads(line) for line in (folder / "trail.jsonl").read_text(encoding="utf-8").splitlines()] == past


def test_csv_has_a_row_a_record(so8t: So8t, past: list[dict[str, Any]], folder: Path) -> None:
    so8t("audit", "export", "--format", "csv", "--kind", "decision", "--out", "trail.csv")
    rows = list(csv.DictReader(io.StringIO((folder / "trail.csv").read_text(encoding="utf-8"))))
    assert [row["seq"] for row in rows] == [str(record["seq"]) for record in of(past, "decision")]
    assert json.loads(rows[1]["body"]) == of(past, "decision")[1]["body"]


def test_an_export_to_a_terminal_is_harmless_and_to_a_pipe_exact(
    so8t: So8t, past: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "\u202e" in so8t("audit", "export").out
    monkeypatch.setattr(type(sys.stdout), "isatty", lambda self: True)
    assert "\u202e" not in so8t("audit", "export").out


def test_an_export_that_fails_leaves_the_older_file(so8t: So8t, past: list[dict[str, Any]], folder: Path) -> None:
    (folder / "trail.csv").write_text("older", encoding="utf-8")
    so8t("audit", "export", "--kind", "nonsense", "--out", "trail.csv").failed("nonsense", code=2)
    so8t("audit", "export", "--out", "nowhere/trail.csv").failed("nowhere")
    so8t("audit", "export", "--out", ".").failed(".")
    assert (folder / "trail.csv").read_text(encoding="utf-8") == "older"
    assert sorted(path.name for path in folder.iterdir()) == ["=a.txt", "agent.toml", "script.json", "trail.csv"]


def test_an_export_over_the_trail_itself_is_refused(so8t: So8t, past: list[dict[str, Any]], tmp_path: Path) -> None:
    so8t("audit", "export", "--out", tmp_path / "data" / "so8t.db").failed("overwritten", code=2)
    assert so8t("audit", "verify").code == 0


def test_an_export_into_a_device_leaves_the_device(so8t: So8t, past: list[dict[str, Any]]) -> None:
    device = Path("/dev/null" if sys.platform != "win32" else "NUL")
    assert so8t("audit", "export", "--out", device).code == 0
    assert not device.is_file()
