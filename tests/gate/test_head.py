from __future__ import annotations

import hashlib
import json
import math
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from so8t.gate.contract import Decision, Thresholds
from so8t.gate.head import Head, HeadFault, HeadNotReady
from so8t.gate.head_decision import decide
from so8t.gate.head_file import seal
from so8t.gate.head_save import save

D, H = 6, 5


def mlp() -> dict[str, NDArray[np.float32]]:
    random = np.random.default_rng(0)
    shapes = {"hidden.weight": (H, D), "hidden.bias": (H,), "output.weight": (3, H), "output.bias": (3,)}
    return {name: random.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


def write(folder: Path, weights: dict[str, NDArray[np.float32]] | None = None, **meta: Any) -> Head:
    known: dict[str, Any] = {
        "backbone": "b@1",
        "temperature": 1.5,
        "thresholds": Thresholds(0.8, 0.6),
        "training_data": "0" * 64,
        "metrics": {"auroc": 0.9},
    }
    return save(folder, weights if weights is not None else mlp(), **{**known, **meta})


def test_a_saved_head_loads_with_everything_that_was_said(tmp_path: Path) -> None:
    (tmp_path / "lora").write_bytes(b"weights")
    head = write(tmp_path / "head", adapter=tmp_path / "lora", adapter_r=8, adapter_alpha=16.0)
    loaded = Head.load(tmp_path / "head")
    assert loaded.meta == head.meta
    assert loaded.digest == head.digest
    assert (loaded.meta.dimension, loaded.meta.hidden) == (D, H)
    assert loaded.meta.thresholds == Thresholds(0.8, 0.6)
    assert loaded.meta.adapter is not None
    assert (tmp_path / "head" / "adapter.safetensors").read_bytes() == b"weights"


def test_probabilities_are_the_formula_written_out_with_plain_floats(tmp_path: Path) -> None:
    weights = mlp()
    x = np.random.default_rng(1).normal(size=(2, D)).astype(np.float32)
    found = write(tmp_path / "head", weights).probabilities(x)
    for row, expected in zip(x.tolist(), found, strict=True):
        hidden = []
        for unit in range(H):
            z = sum(w * v for w, v in zip(weights["hidden.weight"][unit].tolist(), row, strict=True))
            z += float(weights["hidden.bias"][unit])
            hidden.append(z / 2 * (1 + math.erf(z / math.sqrt(2))))
        logits = [
            (
                sum(w * h for w, h in zip(weights["output.weight"][k].tolist(), hidden, strict=True))
                + float(weights["output.bias"][k])
            )
            / 1.5
            for k in range(3)
        ]
        powers = [math.exp(z) for z in logits]
        assert np.allclose(expected, [p / sum(powers) for p in powers], atol=1e-12)


def test_a_linear_head_works(tmp_path: Path) -> None:
    head = write(
        tmp_path / "head", {"output.weight": np.eye(3, D, dtype=np.float32), "output.bias": np.zeros(3, np.float32)}
    )
    assert head.meta.hidden == 0
    assert head.probabilities(np.array([[0, 0, 9, 0, 0, 0]], np.float32)).argmax() == Decision.REFUSE


def test_huge_logits_do_not_overflow(tmp_path: Path) -> None:
    head = write(
        tmp_path / "head",
        {"output.weight": np.eye(3, D, dtype=np.float32) * 1e6, "output.bias": np.zeros(3, np.float32)},
    )
    assert np.allclose(head.probabilities(np.array([[1, 0, 0, 0, 0, 0]], np.float32)), [[1, 0, 0]])


@pytest.mark.parametrize(
    "vectors",
    [
        np.zeros((0, D), np.float32),
        np.zeros(D, np.float32),
        np.zeros((1, D + 1), np.float32),
        np.zeros((1, 1, D), np.float32),
        np.full((1, D), np.nan, np.float32),
        np.full((2, D), np.inf, np.float32),
        np.array([[0] * D, [0] * (D - 1) + [np.nan]], np.float32),
    ],
)
def test_vectors_of_a_wrong_shape_or_with_nan_are_a_fault(tmp_path: Path, vectors: NDArray[np.float32]) -> None:
    with pytest.raises(HeadFault):
        write(tmp_path / "head").probabilities(vectors)


@pytest.mark.parametrize("name", ["head.safetensors", "head.json", "adapter.safetensors"])
def test_one_flipped_bit_anywhere_is_not_ready(tmp_path: Path, name: str) -> None:
    (tmp_path / "lora").write_bytes(b"weights")
    write(tmp_path / "head", adapter=tmp_path / "lora", adapter_r=8, adapter_alpha=16.0)
    data = (tmp_path / "head" / name).read_bytes()
    for at, byte in enumerate(data):
        for bit in range(8):
            (tmp_path / "head" / name).write_bytes(data[:at] + bytes([byte ^ 1 << bit]) + data[at + 1 :])
            with pytest.raises(HeadNotReady):
                Head.load(tmp_path / "head")


@given(st.floats(1e-3, 10), st.floats(1e-3, 2), st.data())
def test_a_changed_digit_of_any_number_is_not_ready(temperature: float, allow: float, data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), temperature=temperature, thresholds=Thresholds(allow, 0.6))
        text = (Path(folder) / "head.json").read_text(encoding="utf-8")
        at = data.draw(st.sampled_from([at for at, letter in enumerate(text) if letter.isdigit()]))
        digit = data.draw(st.sampled_from("0123456789").filter(lambda digit: digit != text[at]))
        (Path(folder) / "head.json").write_text(text[:at] + digit + text[at + 1 :], encoding="utf-8")
        with pytest.raises(HeadNotReady):
            Head.load(Path(folder))


def test_the_same_fields_in_another_layout_are_not_ready(tmp_path: Path) -> None:
    write(tmp_path / "head")
    path = tmp_path / "head" / "head.json"
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")), indent=1), encoding="utf-8")
    with pytest.raises(HeadNotReady, match=r"head\.json was changed after it was saved"):
        Head.load(tmp_path / "head")


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("labels", ["REFUSE", "ESCALATE", "ALLOW"], "label order"),
        ("labels", ["ALLOW", "REFUSE"], "label order"),
        ("format", 1, "head format 1"),
        ("format", 3, "head format 3"),
        ("rendering", "0", "trained on rendering 0"),
        ("pooling", "max", "pooling"),
        ("temperature", 0, "temperature"),
        ("temperature", -1, "temperature"),
        ("allow_threshold", 0, "allow_threshold"),
        ("dimension", D + 1, r"hidden.weight is float32 \(5, 6\), not float32 \(5, 7\)"),
        ("hidden", 0, "the head has"),
        ("surprise", 1, "surprise"),
        ("sha256", "0" * 64, "head.json says 0000"),
    ],
)
def test_what_head_json_says_is_checked(tmp_path: Path, field: str, value: Any, says: str) -> None:
    write(tmp_path / "head")
    path = tmp_path / "head" / "head.json"
    path.write_text(seal({**json.loads(path.read_text(encoding="utf-8")), field: value}), encoding="utf-8")
    with pytest.raises(HeadNotReady, match=says):
        Head.load(tmp_path / "head")


def test_nan_in_head_json_is_not_ready(tmp_path: Path) -> None:
    write(tmp_path / "head")
    path = tmp_path / "head" / "head.json"
    path.write_text(
        path.read_text(encoding="utf-8").replace('"temperature":1.5', '"temperature":NaN'), encoding="utf-8"
    )
    with pytest.raises(HeadNotReady, match="NaN"):
        Head.load(tmp_path / "head")


@pytest.mark.parametrize("wrong", ["nan", "float64", "shape", "extra", "missing"])
def test_weights_that_are_not_what_they_must_be_cannot_even_be_saved(tmp_path: Path, wrong: str) -> None:
    weights: dict[str, Any] = mlp()
    if wrong == "nan":
        weights["output.bias"][0] = np.nan
    if wrong == "float64":
        weights["output.bias"] = weights["output.bias"].astype(np.float64)
    if wrong == "shape":
        weights["output.weight"] = weights["output.weight"][:2]
    if wrong == "extra":
        weights["third.weight"] = weights["output.weight"]
    if wrong == "missing":
        del weights["output.bias"]
    with pytest.raises(HeadNotReady):
        write(tmp_path / "head", weights)


@pytest.mark.parametrize("name", ["head.safetensors", "head.json"])
def test_a_missing_file_says_what_to_do(tmp_path: Path, name: str) -> None:
    write(tmp_path / "head")
    (tmp_path / "head" / name).unlink()
    with pytest.raises(HeadNotReady, match=r"agent\.toml"):
        Head.load(tmp_path / "head")
    shutil.rmtree(tmp_path / "head")
    with pytest.raises(HeadNotReady):
        Head.load(tmp_path / "head")


def test_a_file_that_is_no_safetensors_is_not_ready_though_its_hash_is_right(tmp_path: Path) -> None:
    write(tmp_path / "head")
    path = tmp_path / "head" / "head.json"
    (tmp_path / "head" / "head.safetensors").write_bytes(b"pickle")
    meta = json.loads(path.read_text(encoding="utf-8"))
    meta["sha256"] = hashlib.sha256(b"pickle").hexdigest()
    path.write_text(seal(meta), encoding="utf-8")
    with pytest.raises(HeadNotReady, match="damaged"):
        Head.load(tmp_path / "head")


LIMITS = Thresholds(0.8, 0.6)


@pytest.mark.parametrize(
    ("rows", "decision", "window"),
    [
        ([[0.8, 0.1, 0.1]], Decision.ALLOW, 0),
        ([[0.79, 0.11, 0.1]], Decision.ESCALATE, 0),
        ([[0.3, 0.1, 0.6]], Decision.REFUSE, 0),
        ([[0.3, 0.11, 0.59]], Decision.ESCALATE, 0),
        ([[0.1, 0.8, 0.1]], Decision.ESCALATE, 0),
        ([[0.9, 0.05, 0.05], [0.3, 0.1, 0.6], [0.9, 0.1, 0.0]], Decision.REFUSE, 1),
        ([[0.9, 0.05, 0.05], [0.7, 0.3, 0.0], [0.5, 0.5, 0.0]], Decision.ESCALATE, 2),
        ([[0.95, 0.05, 0.0], [0.9, 0.1, 0.0]], Decision.ALLOW, 1),
    ],
)
def test_the_strictest_window_decides(rows: list[list[float]], decision: Decision, window: int) -> None:
    assert decide(np.array(rows), LIMITS) == (decision, window)


def test_what_reaches_the_refuse_threshold_is_refused_even_where_escalate_is_likelier() -> None:
    limits = Thresholds(allow=0.6, refuse=0.4)
    assert decide(np.array([[0.05, 0.5, 0.45]]), limits)[0] is Decision.REFUSE
    assert decide(np.array([[0.05, 0.56, 0.39]]), limits)[0] is Decision.ESCALATE
    assert decide(np.array([[0.5, 0.0, 0.5]]), limits)[0] is Decision.ESCALATE  # as likely to be harmless


def test_a_tie_is_never_allow_whatever_the_threshold() -> None:
    assert decide(np.array([[0.5, 0.5, 0.0]]), Thresholds(0.1, 0.1))[0] is Decision.ESCALATE
    assert decide(np.array([[0.5, 0.0, 0.5]]), Thresholds(0.1, 0.1))[0] is Decision.ESCALATE


def test_a_threshold_above_one_is_never_reached() -> None:
    assert decide(np.array([[1.0, 0.0, 0.0]]), Thresholds(1.1, 0.5))[0] is Decision.ESCALATE


@pytest.mark.parametrize(
    "rows",
    [[], [[]], [[1.0, 0.0]], [[np.nan] * 3], [[np.inf, 0, 0]], [[2.0, -1.0, 0.0]], [[0.5, 0.2, 0.2]], [1.0, 0, 0]],
)
def test_what_is_no_probability_is_a_fault(rows: list[Any]) -> None:
    with pytest.raises(HeadFault):
        decide(np.array(rows, dtype=np.float64), LIMITS)


@given(
    st.lists(st.lists(st.floats(0, 1), min_size=3, max_size=3).filter(lambda r: sum(r) > 0.01), min_size=1, max_size=5)
)
def test_one_more_window_never_loosens_the_decision(rows: list[list[float]]) -> None:
    p = np.array(rows)
    p /= p.sum(axis=1, keepdims=True)
    decisions = [decide(p[: n + 1], LIMITS)[0] for n in range(len(p))]
    assert decisions == sorted(decisions)
