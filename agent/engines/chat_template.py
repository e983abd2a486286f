"""Chat templates that GGUF files carry: Jinja programs from strangers, run in a sandbox."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import jinja2
from jinja2.sandbox import ImmutableSandboxedEnvironment
from llama_cpp.llama_chat_format import Jinja2ChatFormatter

from so8t.agent.engines.alternate import alternating, in_words, with_system
from so8t.agent.engines.call_detect import detect
from so8t.agent.engines.call_format import FALLBACK, CallFormat
from so8t.agent.engines.shield import Shield

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
INSTRUCTIONS = """You can call tools. To call one, write nothing but:
<tool_call>
{"name": "...", "arguments": {...}}
</tool_call>
The tools, one JSON object a line:
"""
EXTENSIONS = ["jinja2.ext.loopcontrols", Jinja2ChatFormatter.IgnoreGenerationTags]  # those of transformers
Json = dict[str, Any]


class TemplateError(Exception):
    """The model's chat template cannot render the conversation."""


class ChatTemplate:
    """Renders messages (OpenAI form) as one model wants them, and knows how that model writes calls."""

    def __init__(self, source: str, specials: Sequence[str], ends: Sequence[str], bos: str = "", eos: str = "") -> None:
        environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=EXTENSIONS)
        environment.filters["tojson"] = _tojson
        environment.globals.update(raise_exception=_raise, strftime_now=_now)
        try:
            self._template = environment.from_string(source)
        except (jinja2.TemplateError, RecursionError) as error:
            raise TemplateError(f"the model's chat template is broken: {error}") from None
        self._tokens = {"bos_token": bos, "eos_token": eos}
        self._specials = specials
        found = detect(lambda messages, prompt: self._render(messages, (), prompt=prompt), ends)
        self.knows_calls = found is not None
        self.form: CallFormat = found or FALLBACK

    def pieces(self, messages: Sequence[Json], tools: Sequence[Json]) -> list[tuple[str, bool]]:
        """The prompt as (text, whether special tokens may stand in it). Raises TemplateError."""
        shield = Shield(self._specials)
        shown = shield.value(list(tools))
        failed = None
        for way in self._ways([{**shield.value(m), "role": m["role"]} for m in messages], shown):
            try:
                return shield.split(self._render(way, shown, prompt=True))
            except TemplateError as error:
                failed = failed or error
        raise failed or TemplateError("no way to render")

    def _ways(self, messages: list[Json], tools: Sequence[Json]) -> Iterator[list[Json]]:
        """The conversation as it is, then in simpler forms for templates that refuse it."""
        if tools and not self._lists(tools):
            listing = INSTRUCTIONS + "\n".join(_tojson(tool["function"]) for tool in tools)
            messages = with_system(messages, listing)
        if not self.knows_calls:
            messages = [in_words(message) for message in messages]
        yield messages
        yield alternating(messages)
        yield alternating(messages, system=False)

    def _lists(self, tools: Sequence[Json]) -> bool:
        hello = [{"role": "user", "content": "hello"}]
        try:
            return self._render(hello, tools, prompt=True) != self._render(hello, (), prompt=True)
        except TemplateError:
            return False

    def _render(self, messages: Sequence[Mapping[str, Any]], tools: Sequence[Json], *, prompt: bool) -> str:
        values = {"messages": messages, "tools": list(tools) or None, "add_generation_prompt": prompt, **self._tokens}
        try:
            text = self._template.render(**values)
        except Exception as error:  # noqa: BLE001 - a template is a foreign program and may raise anything
            raise TemplateError(f"the model's chat template cannot render this conversation: {error}") from None
        if not text:
            raise TemplateError("the model's chat template renders nothing")
        return text


def _tojson(value: Any, ensure_ascii: bool = False, indent: int | None = None, **more: Any) -> str:
    """As in transformers, which templates are written for: Jinja's own would escape < > & '."""
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, **more)


def _raise(message: str) -> None:
    raise jinja2.TemplateError(message)


def _now(form: str) -> str:
    return datetime.now().astimezone().strftime(form)
