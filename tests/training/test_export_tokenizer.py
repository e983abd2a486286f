"""Tokenizers in llama.cpp: the same tokens as in transformers on any text, or an error that says why not."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("torch")
gguf = pytest.importorskip("gguf")
llama_cpp = pytest.importorskip("llama_cpp")

import small_models as small  # noqa: E402  # after importorskip: the extra may be absent
from tokenizers import AddedToken, Regex, models, normalizers, pre_tokenizers, processors  # noqa: E402
from transformers import LlamaTokenizer  # noqa: E402

from so8t.training.export import errors  # noqa: E402
from so8t.training.export.folder import export_folder  # noqa: E402

MADE: dict[str, Callable[[], Any]] = {
    "qwen": small.qwen,
    "llama3": small.llama3,
    "llama3 without ignore_merges": lambda: small.llama3(ignore_merges=False),
    "gpt2": lambda: small.wrapped(small.byte_level("")),
    "llama2": small.llama2,
    "llama2 without a space before": lambda: small.llama2(scheme="never"),
    "mistral": lambda: small.llama2(scheme="first"),
    "unigram": small.unigram,
}
PRE = {
    "qwen": "qwen2",
    "llama3": "llama-bpe",
    "llama3 without ignore_merges": "smaug-bpe",
    "gpt2": "gpt-2",
    "llama2": "default",
    "unigram": "default",
}
PIECES = st.one_of(
    st.text(alphabet="abcdefgXYZ'_-. \n\t\r0123456789\"\\{}", max_size=20),
    st.text(alphabet="こんにちは世界日本語ファイルéüßñ€👍🏽🇯🇵한글العربيةДела　", max_size=8),
    st.sampled_from(
        [*small.CONTROL, *small.OWN, "don't", "we'LL", "  ", " \n \n", "12345", "…", "½", "\u200d", "<|im"]
    ),
    st.sampled_from(small.TEXTS),
)
TEXT = st.lists(PIECES, max_size=8).map("".join).map(lambda text: unicodedata.normalize("NFC", text))


def exported(words: Any, folder: Path) -> Path:
    small.save(folder / "model", small.model("llama", words), words)
    export_folder(folder / "model", folder / "model.gguf", "f16")
    return folder / "model.gguf"


@cache
def loaded(name: str) -> tuple[Any, Any]:
    """The tokenizer, and llama.cpp's of the same vocabulary."""
    words = MADE[name]()
    path = exported(words, Path(mkdtemp()))
    return words, llama_cpp.Llama(str(path), vocab_only=True, verbose=False)


@pytest.fixture(scope="module", autouse=True)
def close() -> Any:
    yield
    for name in MADE:
        loaded(name)[1].close()
    loaded.cache_clear()


def cpp(llama: Any, text: str) -> list[int]:
    found: list[int] = llama.tokenize(text.encode("utf-8"), add_bos=True, special=True)
    return found


def facts(path: Path) -> dict[str, Any]:
    return {name: field.contents() for name, field in gguf.GGUFReader(path).fields.items()}


@pytest.mark.parametrize("name", [name for name in MADE if name not in ("mistral", "unigram")])
@settings(max_examples=150, deadline=None)
@given(text=TEXT.filter(bool))
def test_any_text_in_nfc_has_the_same_tokens(name: str, text: str) -> None:
    words, llama = loaded(name)
    assert cpp(llama, text) == words(text)["input_ids"]


SPECIAL = (*small.CONTROL, *small.OWN, "<s>", "</s>", "<unk>")


@settings(max_examples=150, deadline=None)
@given(TEXT.filter(lambda text: bool(text) and text[0] != " " and not any(s in text for s in SPECIAL)))
def test_a_mistral_tokenizer_differs_only_where_the_notes_say(text: str) -> None:
    words, llama = loaded("mistral")
    assert cpp(llama, text) == words(text)["input_ids"]


@settings(max_examples=150, deadline=None)
@given(TEXT.filter(lambda text: bool(text) and not text.startswith(" ") and not any(s + " " in text for s in SPECIAL)))
def test_a_unigram_model_differs_only_where_the_notes_say(text: str) -> None:
    words, llama = loaded("unigram")
    assert cpp(llama, text) == words(text)["input_ids"]


@pytest.mark.parametrize("text", small.TEXTS)
@pytest.mark.parametrize("name", [name for name in MADE if name != "mistral"])
def test_texts_in_many_scripts_have_the_same_tokens(name: str, text: str) -> None:
    words, llama = loaded(name)
    assert cpp(llama, text) == words(text)["input_ids"]


@pytest.mark.parametrize(("name", "pre"), PRE.items())
def test_the_pre_tokenizer_has_llama_cpps_name(tmp_path: Path, name: str, pre: str) -> None:
    assert facts(exported(MADE[name](), tmp_path))["tokenizer.ggml.pre"] == pre


def test_special_tokens_their_kinds_and_the_template_are_in_the_file(tmp_path: Path) -> None:
    words = small.llama2()
    found = facts(exported(words, tmp_path))
    kinds = dict(zip(found["tokenizer.ggml.tokens"], found["tokenizer.ggml.token_type"], strict=True))
    kind = gguf.TokenType
    assert kinds["<s>"] == kinds["</s>"] == kinds["<|im_end|>"] == kind.CONTROL
    assert kinds["<unk>"] == kind.UNKNOWN
    assert kinds["<0x0A>"] == kind.BYTE
    assert kinds["<tool>"] == kind.USER_DEFINED
    assert kinds["▁"] == kind.NORMAL
    assert found["tokenizer.ggml.bos_token_id"] == words.bos_token_id
    assert found["tokenizer.ggml.eos_token_id"] == words.eos_token_id
    assert found["tokenizer.ggml.add_bos_token"] is True
    assert found["tokenizer.ggml.add_eos_token"] is False
    assert found["tokenizer.chat_template"] == small.TEMPLATE


def test_no_bos_is_added_where_transformers_adds_none(tmp_path: Path) -> None:
    found = facts(exported(small.qwen(), tmp_path))
    assert found["tokenizer.ggml.add_bos_token"] is False
    assert "tokenizer.ggml.bos_token_id" not in found
    assert found["tokenizer.ggml.eot_token_id"] == found["tokenizer.ggml.eos_token_id"]
    assert found["tokenizer.ggml.padding_token_id"] is not None


def test_eos_behind_each_text_is_kept(tmp_path: Path) -> None:
    words = small.llama2()
    words.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 1), ("</s>", 2)]
    )
    path = exported(words, tmp_path)
    assert facts(path)["tokenizer.ggml.add_eos_token"] is True


def test_transformers_own_llama_tokenizer_is_recognised(tmp_path: Path) -> None:
    state = json.loads(small.llama2().backend_tokenizer.to_str())["model"]
    words = LlamaTokenizer(vocab=state["vocab"], merges=[tuple(pair) for pair in state["merges"]])
    found = facts(exported(words, tmp_path))
    assert found["tokenizer.ggml.model"] == "llama"
    assert found["tokenizer.ggml.add_space_prefix"] is True


def byte_pattern(pattern: str) -> Any:
    return small.wrapped(small.byte_level(pattern))


def added(words: Any, token: AddedToken) -> Any:
    words.add_tokens([token])
    return words


def with_(words: Any, **parts: Any) -> Any:
    for name, part in parts.items():
        setattr(words.backend_tokenizer, name, part)
    return words


def no_byte_fallback() -> Any:
    words = small.llama2()
    words.backend_tokenizer.model.byte_fallback = False
    return words


def unigram_with_bytes() -> Any:
    vocabulary = [("<unk>", 0.0), *((f"<0x{byte:02X}>", -9.0) for byte in range(256)), ("a", -1.0), ("▁", -1.0)]
    words = small.unigram()
    words.backend_tokenizer.model = models.Unigram(vocabulary, 0, byte_fallback=True)
    return words


def half_the_merges() -> Any:
    words = small.llama2()
    state = json.loads(words.backend_tokenizer.to_str())["model"]
    merges = [tuple(pair) for pair in state["merges"]]
    several = next(left + right for left, right in merges if sum(a + b == left + right for a, b in merges) > 1)
    kept = [pair for pair in merges if "".join(pair) != several] + [next(p for p in merges if "".join(p) == several)]
    words.backend_tokenizer.model = models.BPE(state["vocab"], kept, unk_token="<unk>", byte_fallback=True)
    return words


def mixed_merges() -> Any:
    words = small.llama2()
    state = json.loads(words.backend_tokenizer.to_str())["model"]
    merges = [tuple(pair) for pair in state["merges"]]
    several = next(n for n, pair in enumerate(merges[1:], 1) if "".join(pair) == "".join(merges[n - 1]))
    merges.append(merges.pop(several))
    words.backend_tokenizer.model = models.BPE(state["vocab"], merges, unk_token="<unk>", byte_fallback=True)
    return words


DEEPSEEK = r"[\p{L}]+|\p{N}{2}"
STEPS = pre_tokenizers.Sequence([pre_tokenizers.Metaspace(), pre_tokenizers.ByteLevel(False)])
TWICE = processors.TemplateProcessing(single="<s> <s> $A", special_tokens=[("<s>", 1)])
SPACED = pre_tokenizers.ByteLevel(add_prefix_space=True)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: byte_pattern(DEEPSEEK), r"\\p\{L\}\]\+\|\\p\{N\}\{2\} has no known name.*llama-bpe.*qwen2"),
        (lambda: byte_pattern("[A-Za-z]+| "), "no known name"),
        (lambda: byte_pattern("[A-Za-z]+"), "merges of more than letters"),
        (lambda: with_(byte_pattern(""), pre_tokenizer=STEPS), "Metaspace"),
        (lambda: with_(byte_pattern(""), pre_tokenizer=SPACED), "byte-level"),
        (lambda: with_(byte_pattern(""), normalizer=normalizers.NFKC()), "NFKC"),
        (lambda: added(small.llama3(), AddedToken("<x>", lstrip=True, normalized=False)), "'<x>' is lstrip"),
        (lambda: added(small.llama2(), AddedToken("<x>", normalized=True)), "'<x>' is normalized"),
        (lambda: with_(small.llama2(), post_processor=TWICE), "only put one token"),
        (lambda: with_(small.llama2(), normalizer=normalizers.NFC()), "byte fallback, normalizer"),
        (no_byte_fallback, "byte-level"),
        (unigram_with_bytes, "byte fallback, which llama.cpp does not have"),
        (lambda: with_(small.unigram(), normalizer=normalizers.Replace(Regex(" +"), " ")), "normalizer"),
        (half_the_merges, "llama.cpp would merge"),
        (mixed_merges, "side by side"),
    ],
)
def test_a_tokenizer_that_llama_cpp_would_not_follow_is_an_error(
    tmp_path: Path, make: Callable[[], Any], words: str
) -> None:
    with pytest.raises(errors.UnsupportedTokenizer, match=words):
        exported(make(), tmp_path)
    assert not (tmp_path / "model.gguf").exists()


def test_an_added_token_may_be_normalized_where_nothing_changes_the_text(tmp_path: Path) -> None:
    words = added(small.llama3(), AddedToken("<x>", normalized=True))
    assert "<x>" in facts(exported(words, tmp_path))["tokenizer.ggml.tokens"]


def test_another_kind_of_tokenizer_is_an_error(tmp_path: Path) -> None:
    words = small.llama2()
    words.backend_tokenizer.model = models.WordPiece({"<unk>": 0, "a": 1}, unk_token="<unk>")
    with pytest.raises(errors.ExportError, match=r"WordPiece|gap"):
        exported(words, tmp_path)


def test_a_gap_in_the_token_ids_is_an_error(tmp_path: Path) -> None:
    words = small.llama2()
    state = json.loads(words.backend_tokenizer.to_str())
    state["model"]["vocab"]["far away"] = 5000
    words = small.wrapped(type(words.backend_tokenizer).from_str(json.dumps(state)))
    with pytest.raises(errors.VocabularyGap, match="gap"):
        exported(words, tmp_path)


def test_a_tokenizer_longer_than_the_embedding_is_an_error(tmp_path: Path) -> None:
    words = small.llama3()
    small.save(tmp_path / "model", small.model("llama", words, vocab_size=300), words)
    with pytest.raises(errors.VocabularyGap, match="405 tokens, the model 300"):
        export_folder(tmp_path / "model", tmp_path / "x.gguf", "f16")


def test_a_byte_without_a_token_is_an_error(tmp_path: Path) -> None:
    words = small.llama2()
    state = json.loads(words.backend_tokenizer.to_str())
    vocabulary = state["model"]["vocab"]
    vocabulary["<other>"] = vocabulary.pop("<0x41>")
    words = small.wrapped(type(words.backend_tokenizer).from_str(json.dumps(state)))
    with pytest.raises(errors.VocabularyGap, match="<0x41>"):
        exported(words, tmp_path)


def test_no_end_token_is_an_error(tmp_path: Path) -> None:
    words = small.wrapped(small.byte_level(""), eos_token=None)
    small.save(tmp_path / "model", small.model("llama", words, eos_token_id=None), words)
    with pytest.raises(errors.UnsupportedTokenizer, match="eos"):
        export_folder(tmp_path / "model", tmp_path / "x.gguf", "f16")


def test_a_folder_without_a_tokenizer_is_an_error(tmp_path: Path) -> None:
    small.model("llama", small.llama3()).save_pretrained(tmp_path / "model")
    with pytest.raises(errors.UnreadableFolder, match=r"none of tokenizer\.json"):
        export_folder(tmp_path / "model", tmp_path / "x.gguf", "f16")
    for text in ("{", "{}", '{"model": {"type": "XX"}}'):
        (tmp_path / "model" / "tokenizer.json").write_text(text, encoding="utf-8")
        with pytest.raises(errors.UnreadableFolder, match="no tokenizer: "):
            export_folder(tmp_path / "model", tmp_path / "x.gguf", "f16")
