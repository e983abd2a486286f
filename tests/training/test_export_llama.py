"""The GGUF file against the model that it was made from: same tokens, same logits, same rendering of a conversation."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")
pytest.importorskip("gguf")
llama_cpp = pytest.importorskip("llama_cpp")
chat_format = pytest.importorskip("llama_cpp.llama_chat_format")

from so8t.training.export import gguf_file, kinds  # noqa: E402  # after importorskip: the extra may be absent
from so8t.training.export import tokenizer as words_of  # noqa: E402
from so8t.training.export.errors import ExportError  # noqa: E402
from so8t.training.mini import chat, phrasing, tokenizer  # noqa: E402
from so8t.training.mini.dialogues import Generator  # noqa: E402
from so8t.training.mini.model import Plan, build  # noqa: E402

PLAN = Plan(minutes=0, hidden=64, layers=2, heads=4, kv_heads=2, feed_forward=96)
Made = tuple[Any, Any, Any]


def export(config: Any, state: Any, words: Any, path: Path, kind: str) -> None:
    kinds.check(kind)
    gguf_file.write(path, config, state, words_of.read(words, config), kind, "so8t-mini", "{}")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    """A small random Llama, its tokenizer and the same model loaded by llama.cpp from the exported f32 file."""
    lines = phrasing.read_folder()
    words = tokenizer.train([item.text for item in lines])
    model = build(PLAN, words).eval()
    path = tmp_path_factory.mktemp("gguf") / "model.gguf"
    export(model.config, model.state_dict(), words, path, "f32")
    loaded = llama_cpp.Llama(str(path), n_ctx=1024, verbose=False, logits_all=True)
    yield model, words, loaded
    loaded.close()


def cpp_tokens(loaded: Any, text: str) -> list[int]:
    tokens: list[int] = loaded.tokenize(text.encode("utf-8"), add_bos=False, special=True)
    return tokens


def test_generated_dialogues_have_the_same_tokens_in_llama_cpp(made: Made) -> None:
    _, words, loaded = made
    for dialogue in islice(Generator(phrasing.read_folder(), 5), 2000):
        text = chat.render(dialogue)
        assert cpp_tokens(loaded, text) == tokenizer.encode(words, text)


PIECES = st.one_of(
    st.text(max_size=12),
    st.text(alphabet="abcdefgXYZ'_-. \n\t\r0123456789\"\\{}", max_size=20),
    st.text(alphabet="こんにちは世界日本語ファイルéüßñ€👍🏽🇯🇵한글العربية  　", max_size=8),
    st.sampled_from([*chat.CONTROL, *tokenizer.FRAGMENTS, "'small'", "don't", "we'll", "'s", "  ", "ſ", "ı", "İ", "ﬁ"]),
)


def ambiguous(text: str) -> bool:
    """Whether two fragments share characters, as in '"path": "}}</tool_call>', which is no JSON: each library then
    takes another one first."""
    spans = [match.span(1) for part in tokenizer.FRAGMENTS for match in re.finditer(f"(?=({re.escape(part)}))", text)]
    return any(a < c < b < d for a, b in spans for c, d in spans)


def test_fragments_that_share_characters_are_the_only_exception() -> None:
    assert ambiguous('"path": "}}</tool_call>')
    assert not ambiguous('<tool_call>{"name": "read_file", "arguments": {"path": "a"}}</tool_call>')


@settings(max_examples=1500, deadline=None)
@given(st.lists(PIECES, max_size=8).map("".join).filter(lambda text: "\0" not in text and not ambiguous(text)))
def test_any_other_text_has_the_same_tokens_in_llama_cpp(made: Made, text: str) -> None:
    _, words, loaded = made
    assert cpp_tokens(loaded, text) == tokenizer.encode(words, text)


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=40).filter(lambda text: "\0" not in text))
def test_llama_cpp_gives_back_the_text_that_it_took(made: Made, text: str) -> None:
    _, words, loaded = made
    assert loaded.detokenize(cpp_tokens(loaded, text)).decode("utf-8") == text
    assert words.decode(tokenizer.encode(words, text)) == text


def test_logits_equal_those_of_transformers(made: Made) -> None:
    model, words, loaded = made
    for dialogue in islice(Generator(phrasing.read_folder(), 6), 5):
        ids = tokenizer.encode(words, chat.render(dialogue))[:400]
        loaded.reset()
        loaded.eval(ids)
        with torch.inference_mode():
            expected = model(torch.tensor([ids])).logits[0].numpy()  # (T, V)
        np.testing.assert_allclose(np.array(loaded.scores[: len(ids)]), expected, atol=5e-3)


def test_the_quantised_file_says_nearly_the_same(made: Made, tmp_path: Path) -> None:
    model, words, _ = made
    path = tmp_path / "q8.gguf"
    export(model.config, model.state_dict(), words, path, "q8_0")
    loaded = llama_cpp.Llama(str(path), n_ctx=256, verbose=False, logits_all=True)
    ids = tokenizer.encode(words, "<|user|>show me notes.md<|end|><|assistant|>")
    loaded.eval(ids)
    with torch.inference_mode():
        expected = model(torch.tensor([ids])).logits[0].numpy()  # (T, V)
    got = np.array(loaded.scores[: len(ids)])
    assert np.corrcoef(got.flatten(), expected.flatten())[0, 1] > 0.995
    loaded.close()


def formatter(prompt: bool) -> Any:
    """llama-cpp-python's own renderer with our template."""
    return chat_format.Jinja2ChatFormatter(
        chat.TEMPLATE, eos_token=chat.END, bos_token="", add_generation_prompt=prompt
    )


def rendered(messages: list[chat.Message], prompt: bool) -> str:
    text: str = formatter(prompt)(messages=[message.as_openai() for message in messages]).prompt
    return text


# JSON writes control characters as \\u0008 and the like; the template knows the three that occur in text
PLAIN = st.text(st.characters(exclude_categories=["Cc", "Cs"], include_characters="\n\r\t"), max_size=20)
VALUE = st.one_of(PLAIN, st.booleans(), st.integers(), st.none())
ARGUMENTS = st.dictionaries(st.sampled_from(tokenizer.FIRST_KEYS), VALUE, max_size=3)
CALL = st.builds(chat.Call, st.sampled_from(tokenizer.TOOLS), ARGUMENTS)
MESSAGE = st.one_of(
    st.builds(chat.Message, st.sampled_from(["user", "tool", "system", "assistant"]), st.text(max_size=30)),
    st.builds(chat.Message, st.just("assistant"), st.just(""), st.lists(CALL, min_size=1, max_size=2)),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(MESSAGE, max_size=5), st.booleans())
def test_the_chat_template_renders_the_training_format(messages: list[chat.Message], prompt: bool) -> None:
    assert rendered(messages, prompt) == chat.render(messages, prompt=prompt)


def test_the_template_takes_arguments_that_are_a_string_of_json() -> None:
    call = {"type": "function", "function": {"name": "recall", "arguments": json.dumps({"query": "wifi"})}}
    text = formatter(False)(messages=[{"role": "assistant", "content": None, "tool_calls": [call]}]).prompt
    assert text == chat.render([chat.Message("assistant", calls=[chat.Call("recall", {"query": "wifi"})])])


def test_no_piece_is_too_long_for_the_detokenizer() -> None:
    assert all(len(piece.encode()) <= tokenizer.PIECE_LIMIT for piece in (*chat.CONTROL, *tokenizer.FRAGMENTS))


def test_an_unknown_kind_is_an_error_that_lists_the_known_ones(made: Made, tmp_path: Path) -> None:
    model, words, _ = made
    with pytest.raises(ExportError, match="q8_0"):
        export(model.config, model.state_dict(), words, tmp_path / "x.gguf", "q3")


def test_a_tensor_that_llama_does_not_have_is_an_error(made: Made, tmp_path: Path) -> None:
    model, words, _ = made
    state = {"model.layers.0.rotary.weight": torch.zeros(2, 2)}
    with pytest.raises(ExportError, match="rotary"):
        export(model.config, state, words, tmp_path / "x.gguf", "f32")
