"""Our WordPiece against the reference, and what must not happen to text."""

from __future__ import annotations

import string
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from so8t.gate.backbones.encoder_tokens import VocabularyError, WordPiece
from so8t.gate.models.fetch import pull


@pytest.fixture(scope="module")
def vocab() -> Path:
    return pull("all-MiniLM-L6-v2").parent / "vocab.txt"


@pytest.fixture(scope="module")
def ours(vocab: Path) -> WordPiece:
    return WordPiece(vocab)


@pytest.fixture(scope="module")
def reference(vocab: Path) -> Any:
    transformers = pytest.importorskip("transformers")
    return transformers.BertTokenizer(vocab=str(vocab))


def expected(reference: Any, text: str) -> list[int]:
    ids: list[int] = reference(text)["input_ids"]
    return ids


def ordinary(text: str) -> bool:
    """The reference takes "[SEP]" in text for the special token. Ours must not, which is tested below."""
    return not any(mark in text for mark in MARKS)


MARKS = ["[CLS]", "[SEP]", "[UNK]", "[PAD]", "[MASK]"]
SCRIPTS = "日本語テストのカタカナ한국어훈민정음हिन्दीภาษาไทยعربيעברית🙂🚀ー。、「」…—①Ⅷﬁßİẞñé  \u200b\u3000"
DIFFERENT_IN_LLAMA_CPP = ["한국어", "ab늘cd", "शक्ति हिन्दी", "x" * 100, "x" * 101, "naïve café", "ΣΑΣ", "a\0b\ufffdc"]


@settings(max_examples=400, deadline=None)
@given(st.text(st.characters(codec="utf-8", max_codepoint=0x52F, exclude_categories=["Cn"]), max_size=80))
def test_latin_greek_and_cyrillic_text_tokenises_like_the_reference(ours: WordPiece, reference: Any, text: str) -> None:
    assume(ordinary(text))
    assert ours.framed(text) == expected(reference, text)


@settings(max_examples=400, deadline=None)
@given(st.text(string.printable, max_size=120))
def test_ascii_tokenises_like_the_reference(ours: WordPiece, reference: Any, text: str) -> None:
    assume(ordinary(text))
    assert ours.framed(text) == expected(reference, text)


@settings(max_examples=300, deadline=None)
@given(
    st.text(
        st.sampled_from(SCRIPTS),
        max_size=60,
    )
)
def test_other_scripts_tokenise_like_the_reference(ours: WordPiece, reference: Any, text: str) -> None:
    assume(ordinary(text))
    assert ours.framed(text) == expected(reference, text)


@pytest.mark.parametrize("text", DIFFERENT_IN_LLAMA_CPP)
def test_what_llama_cpp_reads_otherwise_is_read_like_the_reference(ours: WordPiece, reference: Any, text: str) -> None:
    assert ours.framed(text) == expected(reference, text)


def test_two_korean_words_do_not_become_one(ours: WordPiece) -> None:
    assert ours.ids("삭제") != ours.ids("사자")
    assert ours.ids("승인") != ours.ids("소인")


@pytest.mark.parametrize("mark", MARKS)
def test_a_special_token_spelled_in_the_text_is_text(ours: WordPiece, mark: str) -> None:
    special = set(ours.framed("")) | {ours.unknown}
    assert not special & set(ours.ids(f"before {mark} after"))
    assert ours.framed(f"a {mark}").count(ours.framed("")[1]) == 1


@given(st.text(max_size=200))
def test_any_text_gives_ids_of_the_vocabulary_and_count_agrees(ours: WordPiece, text: str) -> None:
    ids = ours.ids(text)
    assert all(0 <= number < 30522 for number in ids)
    assert ours.count(text) == len(ids)
    assert ours.framed(text)[1:-1] == ids


@pytest.mark.parametrize("data", [b"", b"hello\nworld\n", b"\xff\xfe[UNK]\n", None])
def test_a_vocabulary_without_its_special_tokens_is_an_error(tmp_path: Path, data: bytes | None) -> None:
    file = tmp_path / "vocab.txt"
    if data is not None:
        file.write_bytes(data)
    with pytest.raises(VocabularyError, match=r"vocab\.txt"):
        WordPiece(file)
