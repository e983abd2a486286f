"""Chat templates that GGUF files carry: Jinja programs from strangers, run in a sandbox."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import jinja2
from jinja2.sandbox import ImmutableSandboxedEnvironment

from so8t.agent.engines.call_format import FALLBACK, CallFormat, detect

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


class TemplateError(Exception):
    """The model's chat template cannot render the conversation."""


class ChatTemplate:
    """Renders messages (OpenAI form) as one model wants them, and knows how that model writes calls."""

    def __init__(self, source: str, specials: Sequence[str], ends: Sequence[str], bos: str = "", eos: str = "") -> None:
        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
        )
        environment.filters["tojson"] = lambda value, indent=None: json.dumps(value, ensure_ascii=False, indent=indent)
        environment.globals.update(raise_exception=_raise, strftime_now=_now)
        try:
            self._template = environment.from_string(source)
        except jinja2.TemplateError as error:
            raise TemplateError(f"the model's chat template is broken: {error}") from None
        self._tokens = {"bos_token": bos, "eos_token": eos}
        self._specials = sorted(specials, key=len, reverse=True)
        found = detect(lambda messages, prompt: self._render(messages, (), prompt), ends)
        self.knows_calls = found is not None
        self.form: CallFormat = found or FALLBACK

    def pieces(
        self, messages: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]]
    ) -> list[tuple[str, bool]]:
        """The prompt as (text, whether special tokens may stand in it).

        Special-token strings inside messages are plain text: nobody forges a role by typing one.
        """
        shield = _Shield(self._specials)
        shown = [shield.message(message) for message in self._prepared(messages, tools)]
        return shield.split(self._render(shown, tools, prompt=True))

    def _prepared(
        self, messages: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]]
    ) -> list[dict[str, Any]]:
        plain = [dict(m) for m in messages]
        if tools and not self._lists(tools):
            listing = INSTRUCTIONS + "\n".join(json.dumps(t["function"], ensure_ascii=False) for t in tools)
            system = plain[0]["content"] + "\n\n" if plain and plain[0]["role"] == "system" else ""
            plain = [{"role": "system", "content": system + listing}, *(plain[1:] if system else plain)]
        return plain if self.knows_calls else [_in_words(message) for message in plain]

    def _lists(self, tools: Sequence[Mapping[str, Any]]) -> bool:
        hello = [{"role": "user", "content": "hello"}]
        return self._render(hello, tools, True) != self._render(hello, (), True)

    def _render(self, messages: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]], prompt: bool) -> str:
        values = {"messages": messages, "tools": list(tools) or None, "add_generation_prompt": prompt, **self._tokens}
        try:
            return self._template.render(**values)
        except Exception as error:  # noqa: BLE001 - a template is a foreign program and may raise anything
            raise TemplateError(f"the model's chat template cannot render this conversation: {error}") from None


class _Shield:
    """Swaps special-token strings for markers before rendering, and back after it."""

    def __init__(self, specials: Sequence[str]) -> None:
        self._specials = specials
        self._nonce = secrets.token_hex(8)

    def message(self, message: Mapping[str, Any]) -> dict[str, Any]:
        shown = {key: self._value(value) for key, value in message.items() if key != "role"}
        return {"role": message["role"], **shown}

    def _value(self, value: Any) -> Any:
        match value:
            case str():
                for index, special in enumerate(self._specials):
                    value = value.replace(special, f"\ue000{self._nonce}:{index}\ue001")
                return value
            case dict():
                return {self._value(key): self._value(item) for key, item in value.items()}
            case list():
                return [self._value(item) for item in value]
            case _:
                return value

    def split(self, text: str) -> list[tuple[str, bool]]:
        parts: list[tuple[str, bool]] = []
        for index, part in enumerate(text.split(f"\ue000{self._nonce}:")):
            number, closed, rest = part.partition("\ue001") if index else ("", "", part)
            if closed:
                parts.append((self._specials[int(number)], False))
            parts.append((rest, True))
        return [part for part in parts if part[0]]


def _in_words(message: Mapping[str, Any]) -> dict[str, Any]:
    """A message for a template that knows no tools: calls and results are written out."""
    match message:
        case {"role": "assistant", "tool_calls": calls}:
            blocks = [f"<tool_call>\n{json.dumps(c['function'], ensure_ascii=False)}\n</tool_call>" for c in calls]
            return {"role": "assistant", "content": "\n".join([message["content"], *blocks]).strip()}
        case {"role": "tool"}:
            return {"role": "user", "content": f"<tool_response>\n{message['content']}\n</tool_response>"}
        case _:
            return dict(message)


def _raise(message: str) -> None:
    raise jinja2.TemplateError(message)


def _now(form: str) -> str:
    return datetime.now().astimezone().strftime(form)
