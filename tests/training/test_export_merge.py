"""A merged LoRA adapter: the same model as base and adapter side by side, in transformers and in llama.cpp."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("gguf")
pytest.importorskip("llama_cpp")
peft = pytest.importorskip("peft")

import small_models as small  # noqa: E402  # after importorskip: the extra may be absent
from safetensors.torch import load_file, save_file  # noqa: E402
from transformers import AutoModel, AutoModelForCausalLM, BertConfig, BertTokenizerFast, BitsAndBytesConfig  # noqa: E402

from so8t.training.export import errors  # noqa: E402
from so8t.training.export.__main__ import main  # noqa: E402
from so8t.training.export.compare import compare  # noqa: E402
from so8t.training.export.folder import export_folder  # noqa: E402
from so8t.training.export.merge import merge_adapter  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_thread")
IDS = torch.tensor([[5, 70, 300, 8, 261, 17, 99]])
LORA: dict[str, Any] = {"r": 4, "lora_alpha": 8, "target_modules": "all-linear", "init_lora_weights": False}


def base_of(path: Path, kind: str = "qwen3", dtype: Any = None, **options: Any) -> Path:
    words = small.qwen()
    return small.save(path, small.model(kind, words, **options).to(dtype or torch.float32), words)


def adapter_of(path: Path, base: Path, **options: Any) -> Any:
    """An adapter with random weights, saved to `path`; the model with the adapter beside it."""
    torch.manual_seed(3)
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    adapted = peft.get_peft_model(model, peft.LoraConfig(**LORA | options)).eval()
    for name, value in adapted.named_parameters():
        if "lora_" in name:
            value.data.mul_(0.3)
    adapted.save_pretrained(path)
    return adapted


@torch.inference_mode()
def logits(model: Any) -> Any:
    return model(IDS).logits  # (1, T, V)


@pytest.mark.parametrize("kind", ["llama", "mistral", "qwen2", "qwen3"])
def test_merged_is_the_same_as_side_by_side(tmp_path: Path, kind: str) -> None:
    base = base_of(tmp_path / "base", kind)
    adapted = adapter_of(tmp_path / "adapter", base)
    merge_adapter(base, tmp_path / "adapter", tmp_path / "merged")
    merged = AutoModelForCausalLM.from_pretrained(tmp_path / "merged").eval()
    torch.testing.assert_close(logits(merged), logits(adapted), atol=1e-3, rtol=1e-4)
    plain = AutoModelForCausalLM.from_pretrained(base).eval()
    assert (logits(merged) - logits(plain)).abs().max() > 0.5
    export_folder(tmp_path / "merged", tmp_path / "merged.gguf", "f32")
    found = compare(tmp_path / "merged", tmp_path / "merged.gguf", small.TEXTS)
    assert found.other_tokens == ()
    assert found.states < 1e-3
    assert found.same_choice == 1.0


def test_rank_stabilised_and_dora_adapters_are_merged_too(tmp_path: Path) -> None:
    base = base_of(tmp_path / "base")
    for name, option in (("rs", {"use_rslora": True}), ("dora", {"use_dora": True})):
        adapted = adapter_of(tmp_path / name, base, **option)
        merge_adapter(base, tmp_path / name, tmp_path / f"{name} merged")
        merged = AutoModelForCausalLM.from_pretrained(tmp_path / f"{name} merged").eval()
        torch.testing.assert_close(logits(merged), logits(adapted), atol=1e-3, rtol=1e-4)


@pytest.mark.filterwarnings("ignore::UserWarning")  # peft warns of tied weights when the adapter is made
@pytest.mark.parametrize("part", ["lm_head", "embed_tokens"])
def test_what_is_learned_for_one_of_two_tied_matrices_stays_out_of_the_other(tmp_path: Path, part: str) -> None:
    base = base_of(tmp_path / "base", "qwen2", tie_word_embeddings=True)
    adapted = adapter_of(tmp_path / "adapter", base, target_modules=["q_proj", part])
    merge_adapter(base, tmp_path / "adapter", tmp_path / "merged")
    merged = AutoModelForCausalLM.from_pretrained(tmp_path / "merged").eval()
    torch.testing.assert_close(logits(merged), logits(adapted), atol=1e-3, rtol=1e-4)
    assert not merged.config.tie_word_embeddings
    export_folder(tmp_path / "merged", tmp_path / "merged.gguf", "f32")
    assert compare(tmp_path / "merged", tmp_path / "merged.gguf", small.TEXTS[:2]).same_choice == 1.0


def test_the_sum_is_rounded_once_to_the_bases_own_format(tmp_path: Path) -> None:
    base = base_of(tmp_path / "base", dtype=torch.bfloat16)
    adapter_of(tmp_path / "adapter", base)
    merge_adapter(base, tmp_path / "adapter", tmp_path / "merged")
    weights, halves = (
        load_file(base / "model.safetensors"),
        load_file(tmp_path / "adapter" / "adapter_model.safetensors"),
    )
    merged = load_file(tmp_path / "merged" / "model.safetensors")
    name = "model.layers.1.mlp.down_proj"
    a, b = (halves[f"base_model.model.{name}.lora_{half}.weight"] for half in "AB")  # (r, in), (out, r)
    expected = weights[f"{name}.weight"].float() + 2 * (b @ a)
    assert merged[f"{name}.weight"].dtype == torch.bfloat16
    assert torch.equal(merged[f"{name}.weight"], expected.to(torch.bfloat16))
    assert torch.equal(merged["model.norm.weight"], weights["model.norm.weight"])


def test_the_tokenizer_comes_along(tmp_path: Path) -> None:
    base = base_of(tmp_path / "base")
    adapter_of(tmp_path / "adapter", base)
    merge_adapter(base, tmp_path / "adapter", tmp_path / "merged")
    from transformers import AutoTokenizer

    words = AutoTokenizer.from_pretrained(tmp_path / "merged")
    assert words.chat_template == small.TEMPLATE
    assert words(small.TEXTS[0])["input_ids"] == small.qwen()(small.TEXTS[0])["input_ids"]


def test_the_command_merges_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base = base_of(tmp_path / "base")
    adapter_of(tmp_path / "adapter", base)
    options = ["--adapter", str(tmp_path / "adapter"), "--merged", str(tmp_path / "merged"), "--check", "hello"]
    main([str(base), "--out", str(tmp_path / "x.gguf"), "--kind", "f32", *options], standalone_mode=False)
    assert "same_choice=1.0" in capsys.readouterr().out
    export_folder(tmp_path / "merged", tmp_path / "y.gguf", "f32")
    assert (tmp_path / "x.gguf").read_bytes() == (tmp_path / "y.gguf").read_bytes()


def test_a_merge_does_not_overwrite_its_base(tmp_path: Path) -> None:
    base = base_of(tmp_path / "base")
    adapter_of(tmp_path / "adapter", base)
    before = (base / "model.safetensors").read_bytes()
    for out in (base, tmp_path / "adapter"):
        with pytest.raises(errors.ExportError, match="another folder"):
            merge_adapter(base, tmp_path / "adapter", out)
    assert (base / "model.safetensors").read_bytes() == before


def test_an_adapter_of_an_nf4_base_is_merged_into_the_full_precision_weights(tmp_path: Path) -> None:
    bitsandbytes = pytest.importorskip("bitsandbytes")
    base = base_of(tmp_path / "base")
    packed = AutoModelForCausalLM.from_pretrained(
        base, quantization_config=BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4")
    )
    torch.manual_seed(4)
    options = LORA | {"lora_alpha": 0.2}
    peft.get_peft_model(packed, peft.LoraConfig(**options)).save_pretrained(tmp_path / "adapter")
    merge_adapter(base, tmp_path / "adapter", tmp_path / "merged")
    name = "model.layers.0.mlp.up_proj"
    halves = load_file(tmp_path / "adapter" / "adapter_model.safetensors")
    a, b = (halves[f"base_model.model.{name}.lora_{half}.weight"].float() for half in "AB")
    weight = load_file(base / "model.safetensors")[f"{name}.weight"]
    added = 0.2 / 4 * (b @ a)  # (out, in)
    merged = load_file(tmp_path / "merged" / "model.safetensors")[f"{name}.weight"]
    torch.testing.assert_close(merged, weight + added)

    def through_nf4(values: Any) -> Any:
        packed, state = bitsandbytes.functional.quantize_4bit(values.contiguous(), quant_type="nf4")
        return bitsandbytes.functional.dequantize_4bit(packed, state)

    kept = through_nf4(through_nf4(weight) + added) - through_nf4(weight)
    assert (kept - added).norm() > 0.5 * added.norm()  # why: packed again, most of what was learned is gone


def test_a_quantised_base_is_an_error_that_says_what_to_take(tmp_path: Path) -> None:
    base = base_of(tmp_path / "base")
    adapter_of(tmp_path / "adapter", base)
    config = json.loads((base / "config.json").read_text(encoding="utf-8"))
    config["quantization_config"] = {"quant_method": "bitsandbytes", "load_in_4bit": True}
    (base / "config.json").write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(errors.UnsupportedModel, match="full-precision"):
        merge_adapter(base, tmp_path / "adapter", tmp_path / "merged")
    assert not (tmp_path / "merged").exists()


def test_an_adapter_of_another_base_is_an_error(tmp_path: Path) -> None:
    base = base_of(tmp_path / "base")
    for name, options in (("wider", {"hidden_size": 128}), ("deeper", {"num_hidden_layers": 3})):
        adapter_of(tmp_path / name, base_of(tmp_path / f"{name} base", **options))
        with pytest.raises(errors.AdapterUnfit, match=name):
            merge_adapter(base, tmp_path / name, tmp_path / "merged")
    assert not (tmp_path / "merged").exists()


@pytest.mark.parametrize("damage", ["no weights", "half a pair", "not a number", "no config", "broken", "other kind"])
def test_a_damaged_adapter_is_an_error(tmp_path: Path, damage: str) -> None:
    base = base_of(tmp_path / "base")
    adapter_of(tmp_path / "adapter", base)
    weights, config = tmp_path / "adapter" / "adapter_model.safetensors", tmp_path / "adapter" / "adapter_config.json"
    tensors = load_file(weights)
    if damage == "no weights":
        weights.unlink()
    elif damage == "half a pair":
        del tensors[min(tensors)]
        save_file(tensors, weights)
    elif damage == "not a number":
        tensors[min(tensors)][0] = float("nan")
        save_file(tensors, weights)
    elif damage == "no config":
        config.unlink()
    elif damage == "broken":
        config.write_text("{", encoding="utf-8")
    else:
        peft.get_peft_model(
            AutoModelForCausalLM.from_pretrained(base),
            peft.PromptTuningConfig(num_virtual_tokens=2, task_type="CAUSAL_LM"),
        ).save_pretrained(tmp_path / "prompt")
        shutil.rmtree(tmp_path / "adapter")
        (tmp_path / "prompt").rename(tmp_path / "adapter")
    with pytest.raises(errors.AdapterUnfit, match="adapter"):
        merge_adapter(base, tmp_path / "adapter", tmp_path / "merged")
    assert not (tmp_path / "merged").exists()


@pytest.fixture
def encoder(tmp_path: Path) -> Path:
    """A small random BERT with a WordPiece vocabulary."""
    folder = tmp_path / "encoder"
    folder.mkdir()
    pieces = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        *"abcdefghijklmnopqrstuvwxyz",
        *(f"##{c}" for c in "abcdefghijklmnopqrstuvwxyz"),
        "日",
        "本",
        ".",
    ]
    (folder / "vocab.txt").write_text("\n".join(pieces) + "\n", encoding="utf-8")
    torch.manual_seed(5)
    config = BertConfig(
        vocab_size=len(pieces), hidden_size=64, num_hidden_layers=2, num_attention_heads=4, intermediate_size=96,
        max_position_embeddings=512, initializer_range=0.2,
    )  # fmt: skip
    AutoModel.from_config(config).save_pretrained(folder)
    BertTokenizerFast(vocab={piece: number for number, piece in enumerate(pieces)}).save_pretrained(folder)
    return folder


def test_an_encoder_is_merged_and_written_by_the_gates_code(encoder: Path, tmp_path: Path) -> None:
    torch.manual_seed(6)
    model = AutoModel.from_pretrained(encoder)
    lora = peft.LoraConfig(r=4, lora_alpha=8, target_modules=["query", "value"], init_lora_weights=False)
    adapted = peft.get_peft_model(model, lora).eval()
    adapted.save_pretrained(tmp_path / "adapter")
    merge_adapter(encoder, tmp_path / "adapter", tmp_path / "merged")
    merged = AutoModel.from_pretrained(tmp_path / "merged").eval()
    with torch.inference_mode():
        ids = torch.tensor([[2, 4, 30, 5, 57, 3]])
        expected, got = adapted(ids).last_hidden_state, merged(ids).last_hidden_state  # (1, T, D)
    torch.testing.assert_close(got, expected, atol=1e-4, rtol=1e-4)
    for kind, limit in (("f32", 5e-3), ("q4_k_m", 2.0)):  # llama.cpp looks GELU up in a table of F16
        export_folder(tmp_path / "merged", tmp_path / f"{kind}.gguf", kind)
        found = compare(tmp_path / "merged", tmp_path / f"{kind}.gguf", ["abc. cab", "日本 ab"])
        assert found.other_tokens == ()
        assert found.states < limit
        assert found.logits is None
