"""The grammar of calls, tried out in llama.cpp itself: what a model could write under it, and what it could not."""

from __future__ import annotations

import ctypes
import json
from collections.abc import Callable
from typing import Any

import llama_cpp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from so8t.agent.engines.call_format import FALLBACK, CallFormat
from so8t.agent.engines.tool_grammar import grammar
from so8t.gate.models.located import path

Accepts = Callable[..., bool]
LLAMA3 = CallFormat('{"name": "', '", "parameters": ', None, "}")
MISTRAL = CallFormat('[TOOL_CALLS] [{"name": "', '", "arguments": ', ', "id": "\0"}, {"name": "', ', "id": "\0"}]')


class Checker:
    """Walks through a text byte by byte, as a model that writes one byte a token would."""

    def __init__(self) -> None:
        self._llama = llama_cpp.Llama(str(path("so8t-mini")), vocab_only=True, n_ctx=8, verbose=False)
        self._vocab = llama_cpp.llama_model_get_vocab(self._llama.model)
        self._end = self._llama.token_eos()
        self._bytes: dict[int, int] = {}
        for token in range(llama_cpp.llama_vocab_n_tokens(self._vocab)):
            piece = ctypes.create_string_buffer(64)
            if llama_cpp.llama_token_to_piece(self._vocab, token, piece, 64, 0, False) == 1:
                self._bytes.setdefault(piece.raw[0], token)

    def accepts(self, rules: str, text: str) -> bool:
        """Whether `text` can be written, and the answer can end after it."""
        sampler = llama_cpp.llama_sampler_init_grammar(self._vocab, rules.encode(), b"root")
        assert sampler, "llama.cpp refuses the grammar"
        try:
            for byte in text.encode():
                token = self._bytes[byte]
                if not self._allowed(sampler, token):
                    return False
                llama_cpp.llama_sampler_accept(sampler, token)
            return self._allowed(sampler, self._end)
        finally:
            llama_cpp.llama_sampler_free(sampler)

    @staticmethod
    def _allowed(sampler: Any, token: int) -> bool:
        data = (llama_cpp.llama_token_data * 1)(llama_cpp.llama_token_data(token, 1.0, 0.0))
        array = llama_cpp.llama_token_data_array(data, 1, -1, False)
        llama_cpp.llama_sampler_apply(sampler, ctypes.byref(array))
        return bool(data[0].logit > float("-inf"))


@pytest.fixture(scope="module")
def checker() -> Checker:
    return Checker()


@pytest.fixture(scope="module")
def accepts(checker: Checker) -> Accepts:
    """Whether arguments (JSON text) can be written for a tool with this schema."""

    def check(schema: Any, arguments: str) -> bool:
        rules = grammar(LLAMA3, [("f", schema)])
        return checker.accepts(rules, f'{{"name": "f", "parameters": {arguments}}}')

    return check


def properties(*required: str, **schemas: Any) -> dict[str, Any]:
    return {"type": "object", "properties": schemas, "required": list(required), "additionalProperties": False}


TEXT, COUNT, NOTHING = {"type": "string"}, {"type": "integer"}, {"type": "null"}


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        (properties("a", a=TEXT), ['{"a": "x"}', '{"a":""}', '{"a":"日本😀"}'], ["{}", '{"b": ""}', '{"a": 1}', "[]"]),
        (properties(a=TEXT), ["{}", '{"a": "x"}'], ['{"a": "x",}', '{"a" "x"}', "null", '{"a": "x", "a": "x"}']),
        (
            properties("b", a=TEXT, b=COUNT, c=COUNT),
            ['{"b": 1}', '{"b": 1, "a": ""}', '{"b": 1, "c": 2}', '{"b":1,"a":"","c":2}'],
            ["{}", '{"a": ""}', '{"b": 1, "c": 2, "a": ""}', '{"b": 1 "a": ""}'],
        ),
        (
            properties(a=TEXT, b=TEXT, c=TEXT),
            ['{"b": ""}', '{"a": "", "c": ""}', '{"a": "", "b": "", "c": ""}'],
            ['{"c": "", "a": ""}', '{, "b": ""}', '{"a": "",, "c": ""}'],
        ),
        (properties("n", n=COUNT), ['{"n": 0}', '{"n": -12}'], ['{"n": 01}', '{"n": 1.5}', '{"n": "1"}', '{"n": --1}']),
        (
            properties("n", n={"type": "number"}),
            ['{"n": 1.5}', '{"n": -0.25e-3}', '{"n": 7}'],
            ['{"n": .5}', '{"n": 1.}', '{"n": NaN}', '{"n": +1}', '{"n": Infinity}', '{"n": 1e}'],
        ),
        (properties("b", b={"type": "boolean"}), ['{"b": true}'], ['{"b": True}', '{"b": 1}', '{"b": "true"}']),
        (
            properties("e", e={"enum": ["red", 'a "b" \\', "日本😀\n", 3, None]}),
            ['{"e": "red"}', '{"e": 3}', '{"e": null}', r'{"e": "a \"b\" \\"}', r'{"e": "日本😀\n"}'],
            ['{"e": "blue"}', '{"e": 33}', '{"e": "re"}', '{"e": "3"}'],
        ),
        (properties("c", c={"const": "x"}), ['{"c": "x"}'], ['{"c": "y"}']),
        (
            properties("l", l={"type": "array", "items": COUNT, "minItems": 1, "maxItems": 3}),
            ['{"l": [1]}', '{"l": [1,2, 3]}'],
            ['{"l": []}', '{"l": [1,2,3,4]}', '{"l": ["x"]}', '{"l": [1,]}'],
        ),
        (properties("l", l={"type": "array", "items": COUNT}), ['{"l": []}', '{"l": [1, 2]}'], ['{"l": [,1]}']),
        (properties("l", l={"type": "array", "items": TEXT, "maxItems": 0}), ['{"l": []}'], ['{"l": [""]}']),
        (
            properties("l", l={"type": "array", "items": TEXT, "minItems": 2, "maxItems": 2}),
            ['{"l": ["",""]}'],
            ['{"l": [""]}', '{"l": ["","",""]}'],
        ),
        (properties("l", l={"type": "array"}), ['{"l": [1, "x", {}]}', '{"l": []}'], ['{"l": 1}']),
        (
            properties("t", t={"type": "array", "prefixItems": [TEXT, COUNT]}),
            ['{"t": ["x", 1]}'],
            ['{"t": ["x"]}', '{"t": [1, "x"]}'],
        ),
        (
            properties("o", o=properties("i", i=properties("x", x=COUNT))),
            ['{"o": {"i": {"x": 1}}}'],
            ['{"o": {"i": {}}}', '{"o": {"x": 1}}'],
        ),
        (
            properties("u", u={"anyOf": [COUNT, {"type": "null"}]}),
            ['{"u": 1}', '{"u": null}'],
            ['{"u": "x"}', '{"u": nul}'],
        ),
        (properties("u", u={"type": ["integer", "null"]}), ['{"u": 1}', '{"u": null}'], ['{"u": "x"}']),
        (properties("a", a={"title": "Any"}), ['{"a": 1}', '{"a": {"b": [null, "x"]}}'], ['{"a": }', '{"a": x}']),
        (
            properties("m", m={"type": "object", "additionalProperties": COUNT}),
            ['{"m": {}}', '{"m": {"x": 1, "y": 2}}'],
            ['{"m": {"x": "1"}}', '{"m": {1: 1}}'],
        ),
        (properties("m", m={"type": "object"}), ['{"m": {"x": [1]}}', '{"m": {}}'], ['{"m": []}']),
        (properties(), ["{}"], ['{"a": 1}']),
        ({"type": "object", "properties": {}}, ["{}"], ['{"a": 1}']),
        ({}, ["{}", '{"a": 1}'], ["{", "{a: 1}"]),
        (properties("a", **{r'x "y" \z 日': TEXT, "a": TEXT}), [r'{"a": "", "x \"y\" \\z 日": ""}'], ["{}"]),
        (
            {
                "$ref": "#/$defs/Tree",
                "$defs": {"Tree": properties("v", v=COUNT, next={"anyOf": [{"$ref": "#/$defs/Tree"}, NOTHING]})},
            },
            ['{"v": 1}', '{"v": 1, "next": {"v": 2, "next": null}}'],
            ['{"v": 1, "next": {}}', '{"next": null}'],
        ),
        (properties("r", r={"$ref": "#/$defs/missing"}), ['{"r": 1}'], ['{"r": }']),
        (properties("r", r={"$ref": "https://example.com/schema.json"}), ['{"r": 1}'], ['{"r": }']),
        (properties("s", s={"type": "string", "maxLength": 10**6, "pattern": "^(a+)+$"}), ['{"s": "b"}'], ['{"s": 1}']),
    ],
)
def test_arguments_can_be_written_exactly_as_the_schema_says(
    accepts: Accepts, schema: Any, good: list[str], bad: list[str]
) -> None:
    assert [text for text in good if not accepts(schema, text)] == []
    assert [text for text in bad if accepts(schema, text)] == []


@given(st.text())
@settings(max_examples=60)
def test_every_text_can_be_written_in_some_way_and_means_itself(accepts: Accepts, text: str) -> None:
    arguments = json.dumps({"a": text}, ensure_ascii=False).replace("\x7f", "\\u007f")
    assert accepts(properties("a", a=TEXT), arguments)


@pytest.mark.parametrize("character", [*map(chr, range(0x20)), "\x7f"])
def test_raw_control_characters_cannot_be_written(accepts: Accepts, character: str) -> None:
    assert not accepts(properties("a", a=TEXT), f'{{"a": "x{character}y"}}')


@pytest.mark.parametrize("escape", ["\\ud800", "\\uDFFF", "\\uD83D\\uDE00", "\\x41", "\\u12", "\\", "\\'"])
def test_lone_surrogates_and_unknown_escapes_cannot_be_written(accepts: Accepts, escape: str) -> None:
    assert not accepts(properties("a", a=TEXT), f'{{"a": "{escape}"}}')


@pytest.mark.parametrize("escape", ["\\u0041", "\\uABCD", "\\ud7ff", "\\n", '\\"', "\\/", "\\\\"])
def test_the_other_escapes_can_be_written(accepts: Accepts, escape: str) -> None:
    assert accepts(properties("a", a=TEXT), f'{{"a": "{escape}"}}')


A = properties("x", x={"$ref": "#/$defs/Item"}) | {"$defs": {"Item": COUNT}}
B = properties("x", x={"$ref": "#/$defs/Item"}) | {"$defs": {"Item": TEXT}}


def test_only_the_given_tools_can_be_called_and_each_with_its_own_arguments(checker: Checker) -> None:
    rules = grammar(FALLBACK, [("a", A), ("b-c.d", B)])

    def call(name: str, arguments: str) -> bool:
        return checker.accepts(rules, f'<tool_call>\n{{"name": "{name}", "arguments": {arguments}}}\n</tool_call>')

    assert call("a", '{"x": 1}')
    assert call("b-c.d", '{"x": "1"}')
    assert not call("a", '{"x": "1"}')
    assert not call("b-c.d", '{"x": 1}')
    assert not call("b", '{"x": "1"}')
    assert not call("", "{}")


@pytest.mark.parametrize("count", [1, 2, 3])
def test_several_calls_can_be_written_where_the_format_has_them(checker: Checker, count: int) -> None:
    def text(form: CallFormat) -> str:
        between = (form.between or " ").replace("\0", "abcdef123")
        call = f'a{form.middle}{{"x": 1}}'
        return form.before + between.join([call] * count) + form.after.replace("\0", "abcdef123")

    for form in (FALLBACK, MISTRAL):
        assert checker.accepts(grammar(form, [("a", A)]), text(form))
    assert checker.accepts(grammar(LLAMA3, [("a", A)]), text(LLAMA3)) == (count == 1)


@pytest.mark.parametrize("id", ["", "abc", "abcdef1234", "abcdef12!"])
def test_an_id_of_another_length_or_alphabet_cannot_be_written(checker: Checker, id: str) -> None:
    text = f'[TOOL_CALLS] [{{"name": "a", "arguments": {{"x": 1}}, "id": "{id}"}}]'
    assert not checker.accepts(grammar(MISTRAL, [("a", A)]), text)


def test_nothing_can_follow_the_calls(checker: Checker) -> None:
    text = '{"name": "a", "parameters": {"x": 1}}'
    assert checker.accepts(grammar(LLAMA3, [("a", A)]), text)
    assert not checker.accepts(grammar(LLAMA3, [("a", A)]), text + " ")


def test_llama_cpp_takes_the_grammar_of_a_large_schema(checker: Checker) -> None:
    wide = properties(**{f"option_{i}": {"enum": list(range(20))} for i in range(60)})
    assert checker.accepts(
        grammar(LLAMA3, [("f", wide)]), '{"name": "f", "parameters": {"option_7": 3, "option_41": 19}}'
    )


def examples(depth: int = 2) -> st.SearchStrategy[tuple[dict[str, Any], Any, bool]]:
    """(schema, a value, whether the value is of the schema)."""
    simple: list[tuple[dict[str, Any], st.SearchStrategy[Any], st.SearchStrategy[Any]]] = [
        (TEXT, st.text(st.characters(exclude_characters="\x7f", exclude_categories=["Cs"])), st.integers()),
        (COUNT, st.integers(-(10**15), 10**15), st.text() | st.none() | st.just(0.5)),
        ({"type": "number"}, st.integers(0, 10**9) | st.sampled_from([0.5, -1.25e-7, 3e20]), st.booleans()),
        ({"type": "boolean"}, st.booleans(), st.integers()),
        ({"enum": ["a", 'b"\\', 3]}, st.sampled_from(["a", 'b"\\', 3]), st.sampled_from(["c", 4, None])),
    ]
    leaves = st.sampled_from(simple).flatmap(
        lambda kind: kind[1].map(lambda good: (kind[0], good, True)) | kind[2].map(lambda bad: (kind[0], bad, False))
    )
    if depth == 0:
        return leaves
    return leaves | lists_of(examples(depth - 1)) | objects_of(examples(depth - 1))


def lists_of(inner: Any) -> Any:
    return inner.map(lambda item: ({"type": "array", "items": item[0]}, [item[1], item[1]], item[2]))


def objects_of(inner: Any) -> Any:
    def built(items: list[tuple[str, tuple[Any, Any, bool], bool]]) -> tuple[Any, Any, bool]:
        schema = properties(*(key for key, _, needed in items if needed), **{key: item[0] for key, item, _ in items})
        ordered = sorted(items, key=lambda entry: not entry[2])  # required ones come first
        return schema, {key: item[1] for key, item, _ in ordered}, all(item[2] for _, item, _ in items)

    return st.lists(
        st.tuples(st.text('abc"日 ', min_size=1), inner, st.booleans()), max_size=4, unique_by=lambda e: e[0]
    ).map(built)


@given(objects_of(examples()))
@settings(max_examples=150)
def test_a_value_can_be_written_exactly_if_it_is_of_the_schema(
    accepts: Accepts, example: tuple[Any, Any, bool]
) -> None:
    schema, value, fits = example
    assert accepts(schema, json.dumps(value, ensure_ascii=False)) == fits
