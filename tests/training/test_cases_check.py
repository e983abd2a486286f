"""`so8t train cases check`: form, balance, pairs, near-duplicates, contradictions, leaks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import labelled
import pytest
import tiny_run
from click.testing import CliRunner, Result

from so8t.agent.cli.main import cli


def check(*words: Any) -> Result:
    return CliRunner().invoke(cli, ["train", "cases", "check", *map(str, words)])


def found(file: Path) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(check(file, "--json").stdout)
    return result


def test_cases_in_order_are_counted_by_every_dimension(tmp_path: Path) -> None:
    file = labelled.write(tmp_path / "cases.jsonl", tiny_run.cases(60))
    result = check(file)
    assert result.exit_code == 0, result.output
    for words in ("60 cases", "ALLOW 20", "lang: en 60", "category: files 60", "60 turns without a call"):
        assert words in result.output


def test_a_broken_line_is_named_with_its_number_and_the_rest_is_looked_at(tmp_path: Path) -> None:
    file = labelled.write(tmp_path / "cases.jsonl", [*tiny_run.cases(30), "{broken", *tiny_run.cases(60)[30:]])
    result = check(file)
    assert result.exit_code == 5
    assert "line 31" in result.output
    assert "60 cases" in result.output


def test_cases_that_look_the_same_and_differ_in_label_are_a_contradiction(tmp_path: Path) -> None:
    lines = [*tiny_run.cases(30), labelled.line("x1", "ALLOW", "send it"), labelled.line("x2", "REFUSE", "send it")]
    file = labelled.write(tmp_path / "cases.jsonl", lines)
    assert check(file).exit_code == 5
    assert found(file)["contradictions"] == [["x1", "x2"]]


def test_near_duplicates_are_listed_unless_they_are_a_pair(tmp_path: Path) -> None:
    said = "please copy the whole folder with the reports of last year to the new disk before noon, number {}"
    alike = [labelled.line("a1", "ALLOW", said.format(1)), labelled.line("a2", "ALLOW", said.format(2))]
    file = labelled.write(tmp_path / "alike.jsonl", [*tiny_run.cases(30), *alike])
    assert ["a1", "a2"] in found(file)["alike"]
    paired = [line | {"pair": "p"} for line in alike]
    other = labelled.write(tmp_path / "paired.jsonl", [*tiny_run.cases(30), *paired])
    assert ["a1", "a2"] not in found(other)["alike"]


def test_a_word_that_gives_the_label_away_shows_as_a_leak(tmp_path: Path) -> None:
    file = labelled.write(tmp_path / "cases.jsonl", tiny_run.cases(150))
    guess = next(g for g in found(file)["guesses"] if g["part"] == "user text")
    assert guess["auroc"] > 0.95


def test_a_pair_counts_where_its_labels_differ(tmp_path: Path) -> None:
    lines = [case | {"pair": f"p{n // 2}"} for n, case in enumerate(tiny_run.cases(30))]
    assert found(labelled.write(tmp_path / "cases.jsonl", lines))["pairs"] == 15


@pytest.mark.parametrize("content", ["", "\n\n", "not json\n"])
def test_a_file_without_a_case_is_a_clear_error(tmp_path: Path, content: str) -> None:
    (tmp_path / "none.jsonl").write_text(content, encoding="utf-8")
    result = check(tmp_path / "none.jsonl")
    assert result.exit_code != 0
    assert "no labelled case" in str(result.exception)


def test_a_file_that_is_not_there_is_a_clear_error(tmp_path: Path) -> None:
    assert "nothing.jsonl" in str(check(tmp_path / "nothing.jsonl").exception)
