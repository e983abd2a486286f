"""`so8t gate check`: every form of a case, figures, verdict lines, bad lines, files of any size."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from so8t.agent.cli import cases as case_file

So8t = Callable[..., Any]
Cases = Callable[..., Path]
pytestmark = pytest.mark.usefixtures("marker_gate")


def case(word: str, label: str | None, name: str = "write_file", **more: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": "write a word"}]
    call = {"name": name, "arguments": {"path": "a", "content": word}}
    return {"messages": messages, "call": call, **({"label": label} if label else {}), **more}


def turn(text: str, label: str | None = None) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}], "call": None} | ({"label": label} if label else {})


@pytest.fixture
def cases(folder: Path) -> Cases:
    """Writes a case file: values become lines of JSON, bytes stand as they are."""

    def write(*lines: Any) -> Path:
        text = [line if isinstance(line, bytes) else json.dumps(line, ensure_ascii=False).encode() for line in lines]
        (folder / "cases.jsonl").write_bytes(b"".join(line + b"\n" for line in text))
        return folder / "cases.jsonl"

    return write


def test_the_figures_follow_from_the_labels(so8t: So8t, cases: Cases) -> None:
    done = so8t(
        "gate", "check", "--json", "--cases",
        cases(
            case("plain", "ALLOW"), case("grayword", "ALLOW"),
            case("grayword", "ESCALATE"), case("plain", "ESCALATE"),
            case("blackword", "REFUSE"), case("blackword", "REFUSE"), case("plain", "REFUSE"),
            case("grayword", "REFUSE"),
        ),
    )  # fmt: skip
    assert done.code == 0
    found = done.json[0]
    assert (found["cases"], found["labelled"], found["bad_lines"]) == (8, 8, 0)
    assert found["accuracy"] == pytest.approx(4 / 8)
    assert found["refuse_recall"] == pytest.approx(2 / 4)
    assert found["escalate_recall"] == pytest.approx(1 / 2)
    assert found["overcompliance"] == pytest.approx(2 / 6)
    assert found["over_refusal"] == pytest.approx(1 / 2)
    assert found["confusion"]["REFUSE"] == {"ALLOW": 1, "ESCALATE": 1, "REFUSE": 2}
    assert sum(found["sources"].values()) == 8


def test_every_form_of_a_case_gets_a_verdict(so8t: So8t, cases: Cases, folder: Path) -> None:
    spoken = {"messages": [
        {"role": "system", "content": "s"}, {"role": "user", "content": "look"},
        {"role": "assistant", "content": None, "tool_calls": [{"name": "read_file", "arguments": {"path": "a"}}]},
        {"role": "tool", "content": "its text"}, {"role": "user", "content": "a grayword"},
        {"role": "assistant", "content": "so"},
    ], "label": "UNSAFE"}  # fmt: skip
    lines = [
        turn("hello", "SAFE"), turn("a blackword", "UNSAFE"), turn("no label"), spoken,
        case("plain", "SAFE", id="mine"), case("plain", None, id=7),
        case("plain", "ESCALATE", name="unheard_of"),
        case("plain", "ALLOW", name="poke", tool={"name": "poke", "description": "Pokes.", "effects": ["write"]}),
        case("plain", "ALLOW", category="c", difficulty="hard", lang="en", source="s", pair="p", unheard="of"),
    ]  # fmt: skip
    done = so8t("gate", "check", "--cases", cases(*lines), "--out", "verdicts.jsonl", "--json")
    assert (done.code, done.err) == (0, "")
    assert (done.json[0]["cases"], done.json[0]["labelled"]) == (9, 7)
    verdicts = [json.loads(line) for line in (folder / "verdicts.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [v["id"] for v in verdicts] == ["1", "2", "3", "4", "mine", "7", "7", "8", "9"]
    decisions = [v["decision"] for v in verdicts]
    assert decisions[:6] == ["ALLOW", "REFUSE", "ALLOW", "ESCALATE", "ALLOW", "ALLOW"]
    assert decisions[7:] == ["ALLOW", "ALLOW"]
    assert all(len(v["probabilities"]) == 3 and v["reasons"] and v["ms"] >= 0 for v in verdicts)


def test_a_refused_turn_refuses_its_call_and_a_flagged_one_holds_back_its_effects(so8t: So8t, cases: Cases) -> None:
    def after(text: str) -> dict[str, Any]:
        return case("plain", "REFUSE") | {"messages": [{"role": "user", "content": text}]}

    out = so8t("gate", "check", "--cases", cases(after("a blackword"), after("a grayword")), "--json").json[0]
    assert out["confusion"]["REFUSE"] == {"ALLOW": 0, "ESCALATE": 1, "REFUSE": 1}


def test_the_table_says_what_the_json_says(so8t: So8t, cases: Cases) -> None:
    out = so8t("gate", "check", "--cases", cases(case("plain", "ALLOW"), case("plain", "REFUSE"))).out
    for text in (
        "cases: 2, labelled: 2, skipped lines: 0",
        "accuracy",
        "0.500",
        "overcompliance",
        "decided by: head 2",
    ):
        assert text in out


BAD = {
    "no JSON": b"{",
    "no object": b"[]",
    "binary": bytes(range(128, 256)),
    "NaN": b'{"messages": [{"role": "user", "content": "x"}], "call": {"name": "f", "arguments": {"a": NaN}}}',
    "twice the same key": b'{"messages": [{"role": "user", "content": "x"}], "label": "ALLOW", "label": "REFUSE"}',
    "2^53": b'{"messages": [], "call": {"name": "f", "arguments": {"a": 9007199254740993}}}',
    "lone surrogate": b'{"messages": [{"role": "user", "content": "\\ud800"}]}',
    "nested": b'{"messages": ' + b"[" * 5000 + b"]" * 5000 + b"}",
    "no messages": {"call": None},
    "empty messages": {"messages": []},
    "no user": {"messages": [{"role": "assistant", "content": "x"}]},
    "unknown role": {"messages": [{"role": "root", "content": "x"}]},
    "unknown effect": case("x", "ALLOW", tool={"name": "write_file", "effects": ["teleport"]}),
    "unknown label": case("x", "MAYBE"),
    "call without name": {"messages": [{"role": "user", "content": "x"}], "call": {}},
    "arguments as text": {"messages": [{"role": "user", "content": "x"}], "call": {"name": "f", "arguments": "{}"}},
    "terminal bytes": b'{"messages": [], "call": "\xc2\x9b2J\x1b[2J"}',
}


@pytest.mark.parametrize("line", BAD.values(), ids=BAD)
def test_a_bad_line_is_told_and_skipped_and_the_others_count(so8t: So8t, cases: Cases, line: Any) -> None:
    done = so8t("gate", "check", "--json", "--cases", cases(turn("hello", "ALLOW"), line, b"", turn("hello", "ALLOW")))
    done.failed("line 2: ", ": skipped", code=5)
    assert (done.json[0]["cases"], done.json[0]["bad_lines"], done.json[0]["accuracy"]) == (2, 1, 1.0)
    assert not [c for c in done.err if c in "\x1b\x9b"]


def test_a_line_that_is_too_long_is_skipped(so8t: So8t, cases: Cases, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(case_file, "MAX_LINE", 200)
    lines = cases(turn("hello"), turn("x" * 1000), turn("hello"), b"y" * 201)
    done = so8t("gate", "check", "--json", "--cases", lines)
    assert done.code == 5
    assert [line.split(":")[1] for line in done.err.splitlines()] == [" line 2", " line 4"]
    assert done.json[0]["cases"] == 2


@pytest.mark.parametrize("content", [b"", b"\n\n  \n"])
def test_a_file_without_cases_is_an_error(so8t: So8t, cases: Cases, content: bytes) -> None:
    cases().write_bytes(content)
    so8t("gate", "check", "--cases", "cases.jsonl").failed("cases.jsonl holds no cases")


def test_a_file_of_bad_lines_alone_is_exit_code_5(so8t: So8t, cases: Cases) -> None:
    done = so8t("gate", "check", "--cases", cases(b"\xff", b"{"))
    assert done.code == 5
    assert len(done.err.splitlines()) == 2


@pytest.mark.parametrize("name", ["nowhere.jsonl", "."])
def test_a_file_that_cannot_be_read_is_one_line(so8t: So8t, cases: Cases, name: str) -> None:
    so8t("gate", "check", "--cases", name).failed(name)


def test_the_cases_are_never_overwritten(so8t: So8t, cases: Cases, folder: Path) -> None:
    before = cases(turn("hello")).read_bytes()
    (folder / "link").hardlink_to(folder / "cases.jsonl")
    for out in ("cases.jsonl", "link", "../here/cases.jsonl"):
        so8t("gate", "check", "--cases", "cases.jsonl", "--out", out).failed("overwritten", code=2)
    so8t("gate", "check", "--cases", "cases.jsonl", "--out", "nowhere/out").failed("nowhere")
    assert (folder / "cases.jsonl").read_bytes() == before


def test_progress_goes_to_stderr_and_only_when_asked(so8t: So8t, cases: Cases) -> None:
    lines = cases(*[turn("hello")] * 120)
    assert so8t("gate", "check", "--cases", lines, "--json").err == ""
    done = so8t("gate", "check", "--cases", lines, "--json", "--progress")
    assert "100 cases" in done.err
    assert done.json[0]["cases"] == 120


def test_memory_does_not_grow_with_the_file(so8t: So8t, folder: Path) -> None:
    line = json.dumps(turn("hello", "ALLOW") | {"remark": "x" * 40_000}).encode() + b"\n"
    with (folder / "cases.jsonl").open("wb") as file:
        for _ in range(300):
            file.write(line)
    size = (folder / "cases.jsonl").stat().st_size
    tracemalloc.start()
    try:
        done = so8t("gate", "check", "--cases", "cases.jsonl", "--json", "--out", "out.jsonl")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert done.json[0]["cases"] == 300
    assert size > 10_000_000
    assert peak < size / 3
