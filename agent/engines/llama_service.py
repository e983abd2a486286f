"""Runs in the worker process: one GGUF chat model, its template, its grammar, its cache."""

from __future__ import annotations

import codecs
import ctypes
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import llama_cpp

from so8t.agent.engines.chat_template import CHATML, ChatTemplate
from so8t.agent.engines.fit import fit
from so8t.agent.engines.streaming import Visible
from so8t.agent.engines.tool_grammar import grammar

Json = dict[str, Any]


class LlamaService:
    """The service object of `so8t.gate.worker`: METHODS may be called from the parent."""

    METHODS = ("generate", "describe")

    def __init__(self, path: str, context: int, threads: int, gpu_layers: int) -> None:
        cores = threads or os.cpu_count() or 1
        self._llama = llama_cpp.Llama(
            path, n_ctx=context, n_threads=cores, n_threads_batch=cores, n_gpu_layers=gpu_layers, verbose=False
        )
        self._vocab = llama_cpp.llama_model_get_vocab(self._llama.model)
        count = llama_cpp.llama_vocab_n_tokens(self._vocab)
        self._ends = {t for t in range(count) if llama_cpp.llama_vocab_is_eog(self._vocab, t)}
        specials = {self._text(t) for t in range(count) if llama_cpp.llama_vocab_is_control(self._vocab, t)} - {""}
        source = self._llama.metadata.get("tokenizer.chat_template", CHATML)
        bos, eos = (self._text(t) if t >= 0 else "" for t in (self._llama.token_bos(), self._llama.token_eos()))
        self._template = ChatTemplate(source, sorted(specials), [self._text(t) for t in self._ends], bos, eos)

    def describe(self, payload: Json) -> Json:
        """Facts about the model."""
        return {"context": self._llama.n_ctx(), "knows_calls": self._template.knows_calls}

    def generate(self, payload: Json) -> Iterator[Json]:
        """Yield {"text"} pieces and, last, {"text", "calls", "finish", "notice"}.

        Payload: messages and tools in OpenAI form, temperature, max_tokens, seed.
        """
        room = min(payload["max_tokens"], self._llama.n_ctx() // 2)
        tools = payload["tools"]
        messages, notice = fit(payload["messages"], lambda m: len(self._tokens(m, tools)), self._llama.n_ctx() - room)
        self._prefill(self._tokens(messages, tools))
        visible = Visible(self._template.form)
        finish = "length"
        with _Sampler(self._vocab, self._grammar(tools), self._template.form, payload) as sampler:
            decoder = codecs.getincrementaldecoder("utf-8")("replace")
            for _ in range(room):
                token = sampler.next(self._llama.ctx)
                if token in self._ends:
                    finish = "stop"
                    break
                if shown := visible.add(decoder.decode(self._piece(token))):
                    yield {"text": shown}
                self._llama.eval([token])
        if rest := visible.finish():
            yield {"text": rest}
        text, calls, complete = visible.reply()
        finish = finish if complete else "length"
        yield {"text": text, "calls": [[c.name, c.arguments] for c in calls], "finish": finish, "notice": notice}

    def _tokens(self, messages: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]]) -> list[int]:
        tokens: list[int] = []
        for text, special in self._template.pieces(messages, tools):
            tokens += self._llama.tokenize(text.encode(), add_bos=False, special=special)
        bos = self._llama.token_bos()
        if llama_cpp.llama_vocab_get_add_bos(self._vocab) and tokens[:1] != [bos]:
            tokens.insert(0, bos)
        return tokens

    def _prefill(self, tokens: list[int]) -> None:
        """Evaluate the prompt; the longest prefix that the cache still holds is kept."""
        known = self._llama.input_ids[: self._llama.n_tokens].tolist()
        keep = len(os.path.commonprefix([known, tokens[:-1]]))
        if not llama_cpp.llama_memory_seq_rm(llama_cpp.llama_get_memory(self._llama.ctx), -1, keep, -1):
            self._llama.reset()
            llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(self._llama.ctx), True)
            keep = 0
        self._llama.n_tokens = keep
        self._llama.eval(tokens[keep:])

    def _grammar(self, tools: Sequence[Json]) -> str | None:
        if not tools:
            return None
        return grammar(self._template.form, [(t["function"]["name"], t["function"]["parameters"]) for t in tools])

    def _piece(self, token: int) -> bytes:
        size = 64
        while True:  # pieces may be longer than the 32 bytes that the high-level detokenizer allows
            buffer = ctypes.create_string_buffer(size)
            length = llama_cpp.llama_token_to_piece(self._vocab, token, buffer, size, 0, True)
            if length >= 0:
                return buffer.raw[:length]
            size = -length

    def _text(self, token: int) -> str:
        return self._piece(token).decode("utf-8", "replace")


class _Sampler:
    """A llama.cpp sampler chain: a grammar that wakes up at the trigger, then temperature or greedy."""

    def __init__(self, vocab: Any, rules: str | None, form: Any, payload: Json) -> None:
        self._chain = llama_cpp.llama_sampler_chain_init(llama_cpp.llama_sampler_chain_default_params())
        if rules:
            pattern = (
                ("^\\s*(" if form.only_at_start else "^[\\s\\S]*?(") + _escape(form.trigger) + ")[\\s\\S]*"
            ).encode()
            patterns = (ctypes.c_char_p * 1)(pattern)
            self._add(
                llama_cpp.llama_sampler_init_grammar_lazy_patterns(vocab, rules.encode(), b"root", patterns, 1, None, 0)
            )
        if payload["temperature"] <= 0:
            self._add(llama_cpp.llama_sampler_init_greedy())
            return
        self._add(llama_cpp.llama_sampler_init_top_k(40))
        self._add(llama_cpp.llama_sampler_init_top_p(0.95, 1))
        self._add(llama_cpp.llama_sampler_init_temp(payload["temperature"]))
        self._add(llama_cpp.llama_sampler_init_dist(payload["seed"]))

    def _add(self, sampler: Any) -> None:
        if not sampler:
            raise ValueError("llama.cpp does not accept the grammar of the tools")
        llama_cpp.llama_sampler_chain_add(self._chain, sampler)

    def next(self, context: Any) -> int:
        return int(llama_cpp.llama_sampler_sample(self._chain, context, -1))

    def __enter__(self) -> _Sampler:
        return self

    def __exit__(self, *_: object) -> None:
        llama_cpp.llama_sampler_free(self._chain)


def _escape(text: str) -> str:
    """Escape for ECMAScript regular expressions (std::regex)."""
    return "".join("\\" + c if c in r"\^$.|?*+()[]{}/" else c for c in text)


def open_service(**options: Any) -> LlamaService:
    """What the worker process calls."""
    return LlamaService(**json.loads(json.dumps(options)))
