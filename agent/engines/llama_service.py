"""Runs in the worker process: one GGUF chat model, its template, its grammar, its cache."""

from __future__ import annotations

import codecs
import ctypes
import os
from collections.abc import Generator, Iterator, Sequence
from typing import Any

import jinja2
import llama_cpp

from so8t.agent.engines.chat_template import CHATML, ChatTemplate, TemplateError
from so8t.agent.engines.fit import fit
from so8t.agent.engines.gguf_facts import trained_context
from so8t.agent.engines.sampler import Sampler
from so8t.agent.engines.streaming import OPEN, Visible

Json = dict[str, Any]
STEP = 128  # tokens of a prompt between two chances to stop
NOTHING: Json = {"text": ""}  # says that the work goes on, and lets the parent stop it


class LlamaService:
    """The service object of `so8t.gate.worker`: METHODS may be called from the parent."""

    METHODS = frozenset({"generate", "describe"})

    def __init__(self, path: str, context: int, threads: int, gpu_layers: int) -> None:
        trained = trained_context(path)
        self._capped = trained is not None and trained < context
        self._context = trained if self._capped and trained else context
        self._llama = _load(path, self._context, threads or _cores(), gpu_layers)
        self._vocab = llama_cpp.llama_model_get_vocab(self._llama.model)
        count = llama_cpp.llama_vocab_n_tokens(self._vocab)
        self._ends = {t for t in range(count) if llama_cpp.llama_vocab_is_eog(self._vocab, t)}
        specials = {self._text(t) for t in range(count) if llama_cpp.llama_vocab_is_control(self._vocab, t)} - {""}
        facts = self._llama.metadata
        source = facts.get("tokenizer.chat_template.tool_use") or facts.get("tokenizer.chat_template") or CHATML
        bos, eos = (self._text(t) if t >= 0 else "" for t in (self._llama.token_bos(), self._llama.token_eos()))
        self._template = ChatTemplate(source, sorted(specials), [self._text(t) for t in self._ends], bos, eos)

    def describe(self, _: Json) -> Json:
        """Facts about the model."""
        return {"context": self._context, "capped": self._capped, "knows_calls": self._template.knows_calls}

    def generate(self, payload: Json) -> Iterator[Json]:
        """Yield {"text"} pieces, which may be empty, and, last, {"text", "calls", "finish", "readable", "notice"}.

        Payload: messages and tools in OpenAI form, temperature, max_tokens, seed.
        """
        room = min(payload["max_tokens"], self._context // 2)
        tools = payload["tools"]
        why = "all that it was trained for" if self._capped else "model.llama_cpp.context"
        name = f"the model's context ({self._context} tokens, {why})"
        limit = self._context - room
        prompt = self._template.pieces
        messages, notice = fit(payload["messages"], lambda m: len(self._tokens(prompt(m, tools))), limit, name)
        pieces = prompt(messages, tools)
        yield from self._prefill(self._tokens(pieces))
        visible = Visible(self._template.form, thinking=pieces[-1][0].rstrip().endswith(OPEN))
        sampler = Sampler(self._vocab, self._template.form, tools, payload["temperature"], payload["seed"])
        try:
            finish = yield from self._answer(visible, sampler, room)
        finally:
            sampler.close()
        if rest := visible.finish():
            yield {"text": rest}
        text, calls, readable = visible.reply()
        written = [[call.name, call.arguments] for call in calls] if finish == "stop" else []
        yield {"text": text, "calls": written, "finish": finish, "readable": readable, "notice": notice}

    def _answer(self, visible: Visible, sampler: Sampler, room: int) -> Generator[Json, None, str]:
        """Generate into `visible`. Returns why it ended."""
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        tokens: list[int] = []
        for _ in range(room):
            token = sampler.next(self._llama.ctx)
            if token in self._ends:
                return "stop"
            tokens.append(token)
            yield {"text": visible.add(decoder.decode(self._piece(token)))}
            if not sampler.bound and (call := visible.call()):
                sampler.bind(call, self._last(tokens, call))
            self._llama.eval([token])
        return "length"

    def _last(self, tokens: Sequence[int], text: str) -> Sequence[int]:
        """The fewest last tokens whose text holds `text`."""
        start = len(tokens) - 1
        while start > 0 and text not in b"".join(map(self._piece, tokens[start:])).decode("utf-8", "replace"):
            start -= 1
        return tokens[start:]

    def _tokens(self, pieces: Sequence[tuple[str, bool]]) -> list[int]:
        tokens: list[int] = []
        for text, special in pieces:
            tokens += self._llama.tokenize(text.encode(), add_bos=False, special=special)
        bos = self._llama.token_bos()
        if llama_cpp.llama_vocab_get_add_bos(self._vocab) and tokens[:1] != [bos]:
            tokens.insert(0, bos)
        return tokens

    def _prefill(self, tokens: list[int]) -> Iterator[Json]:
        """Evaluate the prompt in steps; the longest prefix that the cache still holds is kept."""
        known = self._llama.input_ids[: self._llama.n_tokens].tolist()
        keep = len(os.path.commonprefix([known, tokens[:-1]]))
        memory = llama_cpp.llama_get_memory(self._llama.ctx)
        if not llama_cpp.llama_memory_seq_rm(memory, -1, keep, -1):  # recurrent models cannot go back
            llama_cpp.llama_memory_clear(memory, True)
            keep = 0
        self._llama.n_tokens = keep
        for start in range(keep, len(tokens), STEP):
            self._llama.eval(tokens[start : start + STEP])
            yield NOTHING

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


def _load(path: str, context: int, threads: int, gpu_layers: int) -> llama_cpp.Llama:
    try:
        return llama_cpp.Llama(
            path, n_ctx=context, n_threads=threads, n_threads_batch=threads, n_gpu_layers=gpu_layers, verbose=False
        )
    except jinja2.TemplateError as error:  # the library looks at the template too
        raise TemplateError(f"the model's chat template is broken: {error}") from None


def _cores() -> int:
    """The processors that this process may use, which in a container are fewer than there are."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def open_service(**options: Any) -> LlamaService:
    """What the worker process calls."""
    return LlamaService(**options)
