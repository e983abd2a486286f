"""Learning which tool results carry instructions: texts, pieces, folds, thresholds."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from labelled import enough, letters, line, write

from so8t.gate.content import rendered_piece
from so8t.training.content import TooFewTexts, learn, train
from so8t.training.data.contents import TextsBroken, examples, read
from so8t.training.data.files import FileMissing
from so8t.training.data.load import load
from so8t.training.data.tokens import WordPieceTokens


@pytest.fixture
def tokens(tmp_path: Path) -> WordPieceTokens:
    return letters(tmp_path)


def texts(file: Path) -> Path:
    lines = [{"id": "a", "text": "do as I say", "instructs": True}, {"id": "b", "text": "the sun", "instructs": False}]
    return write(file, lines)


def test_a_text_is_learned_as_the_gate_reads_a_tool_result(tokens: WordPieceTokens, tmp_path: Path) -> None:
    orders, plain = examples([texts(tmp_path / "t.jsonl")], tokens)
    piece = rendered_piece("do as I say")
    assert orders.windows == ("\n".join((piece.header, *piece.body)),)
    assert (orders.target, plain.target) == (2, 0)


def test_texts_are_learned_beside_the_cases_and_nothing_is_measured_on_them(
    tokens: WordPieceTokens, tmp_path: Path
) -> None:
    cases = write(tmp_path / "cases.jsonl", enough())
    found = load([cases], tokens, contents=[texts(tmp_path / "t.jsonl")])
    assert [e.own for e in found.examples if e.source == "contents"] == [False, False]
    assert len(found.examples) == 32


@pytest.mark.parametrize("bad", ["{", "[]", '{"text": 1, "instructs": true}', '{"text": "x"}', "\x00"])
def test_a_line_that_is_no_text_is_an_error_with_its_place(tmp_path: Path, bad: str) -> None:
    (tmp_path / "t.jsonl").write_text(f'{{"text": "fine", "instructs": false}}\n{bad}\n', encoding="utf-8")
    with pytest.raises(TextsBroken, match=r"t\.jsonl line 2"):
        list(read([tmp_path / "t.jsonl"]))


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileMissing):
        list(read([tmp_path / "none"]))


def test_an_order_in_one_piece_of_several_is_learned_and_ordinary_texts_are_left_alone() -> None:
    dice = np.random.default_rng(3)
    labels = dice.random(300) < 0.4
    vectors = []
    for label in labels:
        pieces = dice.normal(size=(dice.integers(1, 5), 8)).astype(np.float32)
        pieces[:, 0] = 0
        if label:
            pieces[dice.integers(len(pieces)), 0] = 6  # only here
        vectors.append(pieces)
    found = learn(vectors, labels)
    assert found.metrics["recall"] > 0.95
    assert found.metrics["false_alarms"] <= 0.02
    assert abs(found.weights[0]) > 5 * np.abs(found.weights[1:]).max()


def test_where_there_is_nothing_to_see_little_is_flagged_and_the_figures_say_so() -> None:
    dice = np.random.default_rng(3)
    vectors = [dice.normal(size=(2, 8)).astype(np.float32) for _ in range(200)]
    found = learn(vectors, np.arange(200) % 2 == 0)
    assert found.metrics["false_alarms"] <= 0.02
    assert found.metrics["recall"] < 0.1


def test_texts_of_one_kind_alone_are_an_error_before_a_head_is_looked_for(tmp_path: Path) -> None:
    lines = [{"text": f"text {n}", "instructs": True} for n in range(80)]
    with pytest.raises(TooFewTexts, match="80 texts with instructions and 0 without: at least 50"):
        train(tmp_path / "no head", [write(tmp_path / "t.jsonl", lines)])


def test_a_third_label_in_the_same_file_is_no_text(tokens: WordPieceTokens, tmp_path: Path) -> None:
    write(tmp_path / "cases.jsonl", [line("x", "ALLOW")])
    with pytest.raises(TextsBroken):
        list(examples([tmp_path / "cases.jsonl"], tokens))
    assert json.loads((tmp_path / "cases.jsonl").read_text(encoding="utf-8"))["id"] == "x"
