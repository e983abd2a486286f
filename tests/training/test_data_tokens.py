"""Training tokenises as the gate does, and never touches the tokenizer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from labelled import letters
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from so8t.gate.backbones import Rendered
from so8t.gate.backbones.encoder_tokens import VocabularyError, WordPiece
from so8t.gate.windows import split
from so8t.training.data.dialogues import Dialogue, TemplateUnusable, pieces
from so8t.training.data.tokens import HuggingFaceTokens, TokenizerMismatch, WordPieceTokens, check_base
from so8t.training.mini import chat, tokenizer

WORDS = ["<s>", "</s>", "<unk>", *"abcdefghijklmnopqrstuvwxyz", *"<>/¶:0123456789"]
LONG = Rendered("¶ call f", tuple(f"¶ user: {'some words and more ' * 30}" for _ in range(4)))


def single(**specials: str) -> PreTrainedTokenizerFast:
    """A tokenizer whose tokens are single characters; <s> and </s> stand around a text."""
    raw = Tokenizer(models.WordLevel({word: n for n, word in enumerate(WORDS)}, unk_token="<unk>"))
    raw.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    raw.post_processor = processors.TemplateProcessing("<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 1)])
    fast: Any = PreTrainedTokenizerFast
    made: PreTrainedTokenizerFast = fast(tokenizer_object=raw, unk_token="<unk>", **specials)
    return made


def test_an_encoders_text_is_tokenised_and_windowed_by_the_gates_own_code(tmp_path: Path) -> None:
    ours, gate = letters(tmp_path), WordPiece(tmp_path / "vocab.txt")
    assert ours.framed("Café [SEP] no") == gate.framed("Café [SEP] no")
    assert ours.windows(LONG) == split(LONG, gate.count, 510)
    assert len(ours.windows(LONG)) > 1
    assert (ours.pad, ours.size) == (0, len((tmp_path / "vocab.txt").read_text(encoding="utf-8").splitlines()))


def test_a_text_that_just_fills_a_window_is_one_window(tmp_path: Path) -> None:
    ours = letters(tmp_path)
    assert len(ours.windows(Rendered("a", ("b " * 509,)))) == 1
    assert len(ours.windows(Rendered("a", ("b " * 510,)))) == 2


def test_a_vocabulary_without_special_tokens_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_text("a\nb\n", encoding="utf-8")
    with pytest.raises(VocabularyError, match=r"no \[UNK\]"):
        WordPieceTokens(tmp_path / "vocab.txt")


def test_a_language_models_windows_hold_at_most_what_the_gate_reads_at_once() -> None:
    tokens = HuggingFaceTokens(single())
    windows = tokens.windows(LONG)
    assert len(windows) > 1
    assert all(len(tokens.framed(window)) <= 512 for window in windows)


def test_text_that_spells_a_special_token_stays_text() -> None:
    plain = single(bos_token="<s>", eos_token="</s>")
    tokens = HuggingFaceTokens(plain)
    assert tokens.framed("a</s>b") == [0, *(WORDS.index(c) for c in "a</s>b"), 1]
    assert plain("a</s>b")["input_ids"] == [0, WORDS.index("a"), 1, WORDS.index("b"), 1]  # the reference reads a token


@pytest.mark.parametrize(
    ("specials", "pad"),
    [({"eos_token": "</s>"}, 1), ({}, 0), ({"eos_token": "</s>", "pad_token": "<unk>"}, 2)],
)
def test_a_tokenizer_without_a_pad_token_is_padded_with_its_end_token(specials: dict[str, str], pad: int) -> None:
    plain = single(**specials)
    before = (len(plain), plain.pad_token, plain.get_vocab())
    tokens = HuggingFaceTokens(plain)
    tokens.framed("abc")
    assert tokens.pad == pad
    assert (len(plain), plain.pad_token, plain.get_vocab()) == before


def test_the_closing_special_tokens_are_counted() -> None:
    assert HuggingFaceTokens(single(bos_token="<s>", eos_token="</s>")).closing == 1
    assert HuggingFaceTokens(tokenizer.train(["some text"])).closing == 0


@pytest.mark.parametrize("rows", [44, 48, 64])
def test_an_embedding_may_be_padded_to_a_round_number(rows: int) -> None:
    check_base(HuggingFaceTokens(single()), rows)


@pytest.mark.parametrize("rows", [43, 10, 89, 32_000])
def test_a_tokenizer_that_is_not_the_bases_is_an_error_that_says_what_to_do(rows: int) -> None:
    tokens = HuggingFaceTokens(single())
    assert tokens.size == 44
    with pytest.raises(
        TokenizerMismatch, match=f"44 tokens, the base model's embedding {rows} rows.*came with the base"
    ):
        check_base(tokens, rows)


TALK = [
    {"role": "user", "content": "list my files"},
    {"role": "assistant", "content": "There are two."},
    {"role": "user", "content": "thanks"},
    {"role": "assistant", "content": "You are welcome."},
]


def test_a_chat_template_shows_which_words_are_the_assistants() -> None:
    words = tokenizer.train(["some text"])
    found = pieces(TALK, words)
    messages = [chat.Message(m["role"], m["content"]) for m in TALK]
    assert "".join(text for text, _ in found) == chat.render(messages)
    assert [text for text, own in found if own] == ["There are two.<|end|>", "You are welcome.<|end|>"]


def test_a_dialogue_learns_the_assistants_tokens_and_no_others() -> None:
    words = tokenizer.train(["some text"])
    dialogue = Dialogue.of(pieces(TALK, words), words)
    learnt = [id for id, own in zip(dialogue.ids, dialogue.learnt, strict=True) if own]
    assert words.decode(learnt) == "There are two.<|end|>You are welcome.<|end|>"
    assert words.decode(dialogue.ids) == chat.render([chat.Message(m["role"], m["content"]) for m in TALK])


def test_a_conversation_without_an_answer_has_nothing_to_learn() -> None:
    assert pieces(TALK[:1], tokenizer.train(["some text"])) == []


def test_a_tokenizer_without_a_template_is_an_error() -> None:
    with pytest.raises(TemplateUnusable, match="take a base with a chat template"):
        pieces(TALK, single())


def test_a_template_that_rewrites_earlier_messages_is_an_error() -> None:
    words = tokenizer.train(["some text"])
    words.chat_template = "{{ messages | length }}{% for m in messages %}{{ m['content'] }}{% endfor %}"
    with pytest.raises(TemplateUnusable, match="writes earlier messages anew"):
        pieces(TALK, words)
