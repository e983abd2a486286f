"""Each architecture as a GGUF file in llama.cpp against the same model in transformers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
gguf = pytest.importorskip("gguf")
pytest.importorskip("llama_cpp")

import small_models as small  # noqa: E402  # after importorskip: the extra may be absent
from safetensors.torch import load_file, save_file  # noqa: E402

from so8t.training.export import errors  # noqa: E402
from so8t.training.export.__main__ import main  # noqa: E402
from so8t.training.export.compare import compare  # noqa: E402
from so8t.training.export.folder import export_folder  # noqa: E402

LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 500000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}
YARN = {"rope_type": "yarn", "rope_theta": 10000.0, "factor": 4.0, "original_max_position_embeddings": 128}
LINEAR = {"rope_type": "linear", "rope_theta": 5000.0, "factor": 2.0}
BIASES = {"attention_bias": True, "mlp_bias": True}
LAYERS = {"use_sliding_window": True, "max_window_layers": 1}
MODELS: list[tuple[str, str, Callable[[], Any], dict[str, Any]]] = [
    ("plain Llama", "llama", small.llama2, {}),
    (
        "Llama 3 with stretched positions, tied",
        "llama",
        small.llama3,
        {"rope_parameters": LLAMA3, "tie_word_embeddings": True},
    ),
    ("Llama with biases and odd heads", "llama", small.llama3, {"head_dim": 24} | BIASES),
    ("Llama with positions stretched evenly", "llama", small.unigram, {"rope_parameters": LINEAR}),
    ("Mistral", "mistral", small.llama2, {"sliding_window": None, "head_dim": 32, "num_key_value_heads": 1}),
    ("Mistral with a window", "mistral", small.llama2, {"sliding_window": 128}),
    ("Qwen2", "qwen2", small.qwen, {}),
    ("Qwen2 with yarn, tied", "qwen2", small.qwen, {"rope_parameters": YARN, "tie_word_embeddings": True}),
    ("Qwen3", "qwen3", small.qwen, {"head_dim": 32, "rope_parameters": {"rope_type": "default", "rope_theta": 1e6}}),
    ("Qwen3 with smaller heads, tied", "qwen3", small.qwen, {"head_dim": 8, "tie_word_embeddings": True}),
]


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A plain small Qwen2."""
    words = small.qwen()
    return small.save(tmp_path / "model", small.model("qwen2", words), words)


def saved(path: Path, kind: str, words: Callable[[], Any], **options: Any) -> Path:
    tokenizer = words()
    return small.save(path, small.model(kind, tokenizer, **options), tokenizer)


def facts(path: Path) -> dict[str, Any]:
    return {name: field.contents() for name, field in gguf.GGUFReader(path).fields.items()}


@pytest.mark.parametrize(("kind", "words", "options"), [m[1:] for m in MODELS], ids=[m[0] for m in MODELS])
def test_llama_cpp_computes_what_transformers_computes(
    tmp_path: Path, kind: str, words: Callable[[], Any], options: dict[str, Any]
) -> None:
    made = saved(tmp_path / "model", kind, words, **options)
    export_folder(made, tmp_path / "f32.gguf", "f32")
    exact = compare(made, tmp_path / "f32.gguf", small.TEXTS)
    assert exact.other_tokens == ()
    assert exact.states < 1e-3
    assert exact.logits is not None
    assert exact.logits < 1e-3
    assert exact.same_choice == 1.0
    export_folder(made, tmp_path / "f16.gguf", "f16")
    rounded = compare(made, tmp_path / "f16.gguf", small.TEXTS)
    assert 1e-3 < rounded.states < 0.2
    assert rounded.divergence is not None
    assert rounded.divergence < 1e-3


@pytest.mark.parametrize("kind", ["bf16", "q8_0"])
def test_coarser_kinds_stay_near(folder: Path, tmp_path: Path, kind: str) -> None:
    made = export_folder(folder, tmp_path / "model.gguf", kind)
    assert made.bytes == (tmp_path / "model.gguf").stat().st_size
    found = compare(folder, made.path, small.TEXTS)
    assert found.divergence is not None
    assert found.divergence < 0.02


def test_a_changed_weight_shows(folder: Path, tmp_path: Path) -> None:
    export_folder(folder, tmp_path / "model.gguf", "f32")
    weights = load_file(folder / "model.safetensors")
    weights["model.layers.1.self_attn.k_proj.bias"][3] += 3
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    found = compare(folder, tmp_path / "model.gguf", small.TEXTS)
    assert found.states > 0.01


def test_a_folder_in_several_files_gives_the_same_file(folder: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    export_folder(folder, tmp_path / "one.gguf", "f16", "same")
    model = AutoModelForCausalLM.from_pretrained(folder)
    (folder / "model.safetensors").unlink()
    model.save_pretrained(folder, max_shard_size="60KB")
    assert len(list(folder.glob("*.safetensors"))) > 2
    export_folder(folder, tmp_path / "many.gguf", "f16", "same")
    assert (tmp_path / "one.gguf").read_bytes() == (tmp_path / "many.gguf").read_bytes()


def test_the_context_of_a_sliding_window_is_the_window_and_the_note_says_so(tmp_path: Path) -> None:
    made = saved(tmp_path / "model", "mistral", small.llama2, sliding_window=128)
    notes = export_folder(made, tmp_path / "model.gguf", "f16").notes
    assert facts(tmp_path / "model.gguf")["llama.context_length"] == 128
    assert any("sliding window" in note and "128" in note for note in notes)


def test_a_window_on_some_layers_counts_and_one_that_is_off_does_not(tmp_path: Path) -> None:
    on = saved(tmp_path / "on", "qwen2", small.qwen, sliding_window=96, **LAYERS)
    off = saved(tmp_path / "off", "qwen2", small.qwen, sliding_window=96, use_sliding_window=False)
    export_folder(on, tmp_path / "on.gguf", "f16")
    export_folder(off, tmp_path / "off.gguf", "f16")
    assert facts(tmp_path / "on.gguf")["qwen2.context_length"] == 96
    assert facts(tmp_path / "off.gguf")["qwen2.context_length"] == 512


def test_rows_that_no_token_has_are_marked_unused(folder: Path, tmp_path: Path) -> None:
    export_folder(folder, tmp_path / "model.gguf", "f16")
    found = facts(tmp_path / "model.gguf")
    assert found["tokenizer.ggml.token_type"][-4:] == [gguf.TokenType.USER_DEFINED] + [gguf.TokenType.UNUSED] * 3
    assert len(set(found["tokenizer.ggml.tokens"])) == found["qwen2.vocab_size"]


def test_an_unknown_architecture_is_an_error_that_lists_the_known_ones(folder: Path, tmp_path: Path) -> None:
    for model_type in ("gpt2", "nonesuch"):
        (folder / "config.json").write_text(f'{{"model_type": "{model_type}"}}', encoding="utf-8")
        with pytest.raises(errors.UnknownArchitecture, match="qwen3") as raised:
            export_folder(folder, tmp_path / "x.gguf", "f16")
        assert all(known in str(raised.value) for known in ("llama", "mistral", "qwen2", "bert", model_type))
    assert list(tmp_path.iterdir()) == [folder]


@pytest.mark.parametrize(
    ("kind", "options", "words"),
    [
        ("llama", {"rope_parameters": {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 1e4}}, "dynamic"),
        ("llama", {"rope_parameters": YARN | {"beta_fast": 16}}, "beta_fast"),
        (
            "llama",
            {"rope_parameters": {"rope_type": "default", "rope_theta": 1e4, "partial_rotary_factor": 0.5}},
            "part",
        ),
        ("qwen2", {"rope_parameters": LLAMA3}, "Llama 3"),
        ("qwen2", {"head_dim": 32}, "head_dim 32"),
        ("qwen3", {"attention_bias": True}, "biases"),
        ("llama", {"hidden_act": "gelu"}, "gelu"),
    ],
)
def test_what_llama_cpp_cannot_do_is_an_error(tmp_path: Path, kind: str, options: dict[str, Any], words: str) -> None:
    made = saved(tmp_path / "model", kind, small.qwen, **options)
    with pytest.raises(errors.UnsupportedModel, match=words):
        export_folder(made, tmp_path / "x.gguf", "f16")
    assert not (tmp_path / "x.gguf").exists()


def test_quantised_weights_are_no_base_of_an_export(folder: Path, tmp_path: Path) -> None:
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config["quantization_config"] = {"quant_method": "bitsandbytes", "load_in_4bit": True}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(errors.UnsupportedModel, match="full-precision"):
        export_folder(folder, tmp_path / "x.gguf", "f16")


def changed(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    weights = load_file(folder / "model.safetensors")
    change(weights)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda w: w.pop("model.layers.1.mlp.up_proj.weight"), "missing: model.layers.1.mlp.up_proj.weight"),
        (lambda w: w.pop("lm_head.weight"), "lm_head.weight"),
        (lambda w: w.update({"model.layers.2.mlp.up_proj.weight": torch.ones(96, 64)}), "layers.2"),
        (lambda w: w.update({"model.layers.0.self_attn.o_proj.bias": torch.ones(64)}), "o_proj.bias"),
        (lambda w: w.update({"model.norm.weight": torch.ones(65)}), r"\(65,\), expected \(64,\)"),
        (lambda w: w.update({"model.norm.weight": torch.ones(64, dtype=torch.int8)}), "holds torch.int8"),
        (lambda w: w["model.norm.weight"].fill_(float("nan")), "model.norm.weight is not finite"),
        (lambda w: w["model.layers.0.mlp.up_proj.weight"].fill_(1e6), "take bf16"),
    ],
)
def test_wrong_weights_are_an_error_that_names_the_tensor(
    folder: Path, tmp_path: Path, change: Callable[[dict[str, Any]], Any], words: str
) -> None:
    changed(folder, change)
    (tmp_path / "x.gguf").write_bytes(b"older")
    with pytest.raises(errors.WrongWeights, match=words):
        export_folder(folder, tmp_path / "x.gguf", "f16")
    assert (tmp_path / "x.gguf").read_bytes() == b"older"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model", "x.gguf"]


@pytest.mark.parametrize(
    ("key", "value", "error"),
    [
        ("hidden_size", "big", errors.UnreadableFolder),
        ("rms_norm_eps", None, errors.UnreadableFolder),
        ("rope_parameters", {"rope_type": "yarn"}, errors.UnreadableFolder),
        ("num_hidden_layers", -1, errors.ExportError),
        ("num_attention_heads", 0, errors.ExportError),
        ("num_key_value_heads", 3, errors.WrongWeights),
        ("vocab_size", 10**8, errors.WrongWeights),
        ("model_type", 7, errors.UnknownArchitecture),
    ],
)
def test_a_damaged_config_is_an_error(
    folder: Path, tmp_path: Path, key: str, value: Any, error: type[Exception]
) -> None:
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_text(json.dumps(config | {key: value}), encoding="utf-8")
    with pytest.raises(error) as raised:
        export_folder(folder, tmp_path / "x.gguf", "f16")
    assert "\n" not in str(raised.value)
    assert list(tmp_path.iterdir()) == [folder]


def test_a_folder_that_is_no_model_is_an_error(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(errors.UnreadableFolder, match=r"config\.json"):
        export_folder(tmp_path, tmp_path / "x.gguf", "f16")
    (folder / "model.safetensors").write_bytes(b"no tensors")
    with pytest.raises(errors.UnreadableFolder, match="safetensors"):
        export_folder(folder, tmp_path / "x.gguf", "f16")
    (folder / "config.json").write_text("{", encoding="utf-8")
    with pytest.raises(errors.UnreadableFolder, match="config"):
        export_folder(folder, tmp_path / "x.gguf", "f16")


def test_the_command_writes_the_file_and_prints_what_differs(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(
        [str(folder), "--out", str(tmp_path / "x.gguf"), "--kind", "q4_k_m", "--check", "日本語"], standalone_mode=False
    )
    said = capsys.readouterr().out
    assert "q4_k_m" in said
    assert "note: the tokenizer composes" in said
    assert "Differences(tokens=" in said


def test_the_commands_errors_are_one_line(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([str(folder), "--out", str(tmp_path / "x.gguf"), "--kind", "q4"], standalone_mode=False)
    assert ended.value.code == 1
    said = capsys.readouterr().err
    assert said.startswith("error: unknown kind 'q4': one of")
    assert said.count("\n") == 1
