"""Chooses tokens with llama.cpp's samplers: text is free, a call is written under the grammar of the tools."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import llama_cpp

from so8t.agent.engines.call_format import CallFormat
from so8t.agent.engines.tool_grammar import grammar

Json = dict[str, Any]


class Sampler:
    """For one answer. Close it.

    llama.cpp can wait for a trigger by itself, but matches a regular expression with the whole answer at each token,
    which overflows the stack in a long answer. Here bind() wakes the grammar up when the caller sees a call open.
    """

    def __init__(self, vocab: Any, form: CallFormat, tools: Sequence[Json], temperature: float, seed: int) -> None:
        self._vocab = vocab
        self._form = form
        self._tools = [(tool["function"]["name"], tool["function"]["parameters"]) for tool in tools]
        self._how = (temperature, seed)
        self._chain = _chain(self._how)
        self.bound = not tools  # there is nothing to be bound to, or it was done

    def next(self, context: Any) -> int:
        """The next token."""
        return int(llama_cpp.llama_sampler_sample(self._chain, context, -1))

    def bind(self, written: str, tokens: Sequence[int]) -> None:
        """From here on, only calls of the tools can be written.

        Args:
            written: the call's text so far. If no call of a tool can begin like this, nothing is bound: llama.cpp
                would abort, and validation refuses the call anyway.
            tokens: the last tokens, at least those that `written` stands in.

        Raises:
            ValueError: llama.cpp does not accept the grammar.
        """
        self.bound = True
        if not any(f"{self._form.before}{name}{self._form.middle}".startswith(written) for name, _ in self._tools):
            return
        pattern = ("[\\s\\S]*?(" + "".join(map(_escaped, self._form.trigger)) + "[\\s\\S]*)").encode()
        made = llama_cpp.llama_sampler_init_grammar_lazy_patterns(
            self._vocab, grammar(self._form, self._tools).encode(), b"root", (ctypes.c_char_p * 1)(pattern), 1, None, 0
        )
        if not made:
            raise ValueError("llama.cpp does not accept the grammar made of the tools' schemas")
        for token in tokens:
            llama_cpp.llama_sampler_accept(made, token)
        llama_cpp.llama_sampler_free(self._chain)
        self._chain = _chain(self._how, made)

    def close(self) -> None:
        """Free what llama.cpp holds."""
        llama_cpp.llama_sampler_free(self._chain)


def _chain(how: tuple[float, int], first: Any = None) -> Any:
    temperature, seed = how
    chain = llama_cpp.llama_sampler_chain_init(llama_cpp.llama_sampler_chain_default_params())
    if first is not None:
        llama_cpp.llama_sampler_chain_add(chain, first)
    if temperature <= 0:
        samplers = [llama_cpp.llama_sampler_init_greedy()]
    else:
        samplers = [
            llama_cpp.llama_sampler_init_top_k(40),
            llama_cpp.llama_sampler_init_top_p(0.95, 1),
            llama_cpp.llama_sampler_init_temp(temperature),
            llama_cpp.llama_sampler_init_dist(seed),
        ]
    for sampler in samplers:
        llama_cpp.llama_sampler_chain_add(chain, sampler)
    return chain


def _escaped(character: str) -> str:
    """For ECMAScript regular expressions (std::regex)."""
    return "\\" + character if character in r"\^$.|?*+()[]{}/" else character
