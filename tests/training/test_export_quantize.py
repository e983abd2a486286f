"""llama.cpp's quantiser in its own process: what it makes, what it falls back to, and what its death looks like."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
gguf = pytest.importorskip("gguf")
pytest.importorskip("llama_cpp")

import small_models as small  # noqa: E402  # after importorskip: the extra may be absent

from so8t.training.export import errors  # noqa: E402
from so8t.training.export import quantize as quantizing  # noqa: E402
from so8t.training.export.compare import compare  # noqa: E402
from so8t.training.export.folder import export_folder  # noqa: E402
from so8t.training.export.importance import importance  # noqa: E402
from so8t.training.export.quantize import quantize  # noqa: E402

WIDE = {"hidden_size": 256, "intermediate_size": 512, "num_hidden_layers": 3, "initializer_range": 0.05}


pytestmark = pytest.mark.usefixtures("one_thread")


def saved(path: Path, kind: str = "llama", **options: Any) -> Path:
    words = small.qwen()
    return small.save(path, small.model(kind, words, **options), words)


def tensors(path: Path) -> dict[str, Any]:
    return {tensor.name: tensor for tensor in gguf.GGUFReader(path).tensors}


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a model whose rows are all divisible by 256."""
    return saved(tmp_path_factory.mktemp("wide") / "model", **WIDE)


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a model with rows of 64 and 96 numbers."""
    return saved(tmp_path_factory.mktemp("narrow") / "model")


@pytest.mark.parametrize("source", ["f32", "f16", "bf16"])
def test_llama_cpp_quantises_what_was_exported(wide: Path, tmp_path: Path, source: str) -> None:
    export_folder(wide, tmp_path / "floats.gguf", source)
    made = quantize(tmp_path / "floats.gguf", tmp_path / "small.gguf", "q4_k_m")
    assert made.notes == ("attn_ and ffn_down keep six bits: the model is small",)
    assert made.types["blk.1.attn_q.weight"] == made.types["blk.1.ffn_down.weight"] == "Q6_K"
    assert made.types["blk.1.ffn_up.weight"] == "Q4_K"
    assert made.types["output.weight"] == "Q6_K"
    assert made.types["blk.1.attn_norm.weight"] == "F32"
    assert made.types == {name: tensor.tensor_type.name for name, tensor in tensors(made.path).items()}
    found = compare(wide, made.path, small.TEXTS[:3])
    assert found.other_tokens == ()
    assert found.divergence is not None
    assert 1e-6 < found.divergence < 0.3


def test_a_model_that_is_not_small_gets_llama_cpps_own_mixture(
    wide: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quantizing, "SMALL", 255)
    export_folder(wide, tmp_path / "floats.gguf", "f32")
    made = quantize(tmp_path / "floats.gguf", tmp_path / "own.gguf", "q4_k_m")
    assert made.notes == ()
    assert made.types["blk.1.attn_q.weight"] == "Q4_K"


def test_an_export_as_q4_k_m_is_that_of_the_floats(wide: Path, tmp_path: Path) -> None:
    export_folder(wide, tmp_path / "f32.gguf", "f32", "same")
    quantize(tmp_path / "f32.gguf", tmp_path / "two.gguf", "q4_k_m")
    export_folder(wide, tmp_path / "one.gguf", "q4_k_m", "same")
    assert (tmp_path / "one.gguf").read_bytes() == (tmp_path / "two.gguf").read_bytes()


@pytest.mark.parametrize("kind", ["mistral", "qwen2", "qwen3"])
def test_every_architecture_can_be_quantised(tmp_path: Path, kind: str) -> None:
    made = saved(tmp_path / "model", kind, **WIDE | {"head_dim": 64})
    export_folder(made, tmp_path / "model.gguf", "q4_k_m")
    found = compare(made, tmp_path / "model.gguf", small.TEXTS[:2])
    assert found.other_tokens == ()
    assert found.divergence is not None
    assert found.divergence < 0.3


def test_q8_0_is_the_same_from_here_and_from_llama_cpp(wide: Path, tmp_path: Path) -> None:
    export_folder(wide, tmp_path / "f32.gguf", "f32")
    quantize(tmp_path / "f32.gguf", tmp_path / "theirs.gguf", "q8_0")
    export_folder(wide, tmp_path / "ours.gguf", "q8_0")
    ours, theirs = tensors(tmp_path / "ours.gguf"), tensors(tmp_path / "theirs.gguf")
    assert {name: t.tensor_type for name, t in ours.items()} == {name: t.tensor_type for name, t in theirs.items()}
    for name, tensor in ours.items():
        values = [gguf.quants.dequantize(t.data, t.tensor_type) for t in (tensor, theirs[name])]
        np.testing.assert_allclose(values[0], values[1], atol=float(np.abs(values[0]).max()) / 100)


def test_rows_that_the_blocks_do_not_divide_are_told(narrow: Path, tmp_path: Path) -> None:
    made = export_folder(narrow, tmp_path / "model.gguf", "q4_k_m")
    told = " ".join(made.notes)
    assert "rows of 64 numbers, which blocks of 256 do not divide" in told
    assert "rows of 96 numbers" in told
    types = {tensor.tensor_type.name for tensor in tensors(made.path).values()}
    assert "Q4_K" not in types
    assert types - {"F32"} == {name for name in ("F16", "Q5_0", "Q5_1", "Q8_0") if name in told}


def test_rows_that_no_block_divides_stay_f16_and_are_told(tmp_path: Path) -> None:
    made = saved(tmp_path / "model", hidden_size=48, intermediate_size=80)
    direct = export_folder(made, tmp_path / "direct.gguf", "q8_0")
    assert "rows of 48 numbers, which blocks of 32 do not divide: kept as F16" in " ".join(direct.notes)
    export_folder(made, tmp_path / "f32.gguf", "f32")
    quantised = quantize(tmp_path / "f32.gguf", tmp_path / "quantised.gguf", "q8_0")
    assert {n: t.tensor_type.name for n, t in tensors(direct.path).items()} == quantised.types
    found = compare(made, direct.path, small.TEXTS[:2])
    assert found.divergence is not None
    assert found.divergence < 0.01


def test_an_unknown_kind_is_an_error_that_lists_the_known_ones(narrow: Path, tmp_path: Path) -> None:
    with pytest.raises(errors.UnknownKind, match="q4_k_m") as raised:
        export_folder(narrow, tmp_path / "x.gguf", "q4_k_s")
    assert "f32" in str(raised.value)
    with pytest.raises(errors.UnknownKind, match="q8_0"):
        quantize(tmp_path / "x.gguf", tmp_path / "y.gguf", "f16")


def test_a_quantised_file_is_not_quantised_again(narrow: Path, tmp_path: Path) -> None:
    export_folder(narrow, tmp_path / "q8.gguf", "q8_0")
    with pytest.raises(errors.LlamaCppFailed, match="requantiz"):
        quantize(tmp_path / "q8.gguf", tmp_path / "q4.gguf", "q4_k_m")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["q8.gguf"]


def test_a_missing_file_is_an_error(narrow: Path, tmp_path: Path) -> None:
    with pytest.raises(errors.LlamaCppFailed, match="no such file"):
        quantize(tmp_path / "none.gguf", tmp_path / "q4.gguf", "q4_k_m")
    with pytest.raises(errors.LlamaCppFailed, match=r"none\.gguf"):
        compare(narrow, tmp_path / "none.gguf", ["a"])


@pytest.mark.parametrize("length", [0, 100, 20000])
def test_a_truncated_file_is_an_error(narrow: Path, tmp_path: Path, length: int) -> None:
    export_folder(narrow, tmp_path / "model.gguf", "f32")
    (tmp_path / "cut.gguf").write_bytes((tmp_path / "model.gguf").read_bytes()[:length])
    with pytest.raises(errors.LlamaCppFailed, match=r"cut\.gguf"):
        compare(narrow, tmp_path / "cut.gguf", ["a"])
    with pytest.raises(errors.LlamaCppFailed, match=r"cut\.gguf"):
        quantize(tmp_path / "cut.gguf", tmp_path / "q4.gguf", "q4_k_m")


def test_a_file_that_aborts_llama_cpp_is_an_error(narrow: Path, tmp_path: Path) -> None:
    export_folder(narrow, tmp_path / "model.gguf", "f32")
    content = (tmp_path / "model.gguf").read_bytes()
    assert b"[PAD404]" in content
    (tmp_path / "twice.gguf").write_bytes(content.replace(b"[PAD404]", b"[PAD405]"))  # one piece twice: an assertion
    with pytest.raises(errors.LlamaCppFailed, match=r"twice\.gguf.*SIGABRT|twice\.gguf.*exit code"):
        compare(narrow, tmp_path / "twice.gguf", ["a"])


def test_a_file_of_another_model_is_an_error(narrow: Path, wide: Path, tmp_path: Path) -> None:
    export_folder(wide, tmp_path / "wide.gguf", "f16")
    with pytest.raises(errors.ExportError, match="numbers"):
        compare(narrow, tmp_path / "wide.gguf", ["a"])


def test_a_text_beyond_the_limit_or_none_is_an_error(narrow: Path, tmp_path: Path) -> None:
    export_folder(narrow, tmp_path / "model.gguf", "f16")
    with pytest.raises(errors.LlamaCppFailed, match="from 1 to 512"):
        compare(narrow, tmp_path / "model.gguf", ["a b " * 600])
    with pytest.raises(errors.ExportError, match="at least one text"):
        compare(narrow, tmp_path / "model.gguf", [])


def test_what_texts_make_important_is_rounded_less(wide: Path, tmp_path: Path) -> None:
    exact = tensors(export_folder(wide, tmp_path / "f32.gguf", "f32").path)
    plain = tensors(export_folder(wide, tmp_path / "plain.gguf", "q4_k_m").path)
    weighed = tensors(export_folder(wide, tmp_path / "weighed.gguf", "q4_k_m", texts=small.TEXTS).path)
    assert exact.keys() == plain.keys() == weighed.keys()
    matters = importance(wide, small.TEXTS)

    def error(found: dict[str, Any]) -> float:
        """The squared rounding error of all blocks' matrices, each column by what it matters."""
        names = [name for name in matters if name.startswith("blk")]
        wrong = {n: gguf.quants.dequantize(found[n].data, found[n].tensor_type) - exact[n].data for n in names}
        return sum(float((wrong[n] ** 2 * matters[n]).sum()) for n in names)

    assert error(weighed) < 0.97 * error(plain)


def test_importance_has_a_number_for_each_input_of_each_matrix(wide: Path) -> None:
    found = importance(wide, small.TEXTS[:2])
    assert found["blk.0.ffn_down.weight"].shape == (512,)
    assert found["blk.2.attn_q.weight"].shape == (256,)
    assert len(found) == 3 * 7 + 1  # blocks, and the head
    assert all((values > 0).all() for values in found.values())
