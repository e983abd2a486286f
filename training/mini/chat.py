"""The text format of so8t-mini's conversations, and the Jinja template that writes the same thing inside llama.cpp.

    <|user|>what is in notes.md?<|end|>
    <|assistant|><tool_call>{"name": "read_file", "arguments": {"path": "notes.md"}}</tool_call><|end|>
    <|tool|>buy milk<|end|>
    <|assistant|>That is what notes.md holds.<|end|>

without the line breaks. System messages are left out: the model never saw one in training.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

USER, ASSISTANT, TOOL, END, PAD = "<|user|>", "<|assistant|>", "<|tool|>", "<|end|>", "<|pad|>"
CONTROL = (PAD, END, USER, ASSISTANT, TOOL)
CALL_OPEN, CALL_CLOSE = '<tool_call>{"name": "', "}}</tool_call>"


@dataclass(frozen=True)
class Call:
    """One proposed tool call: the tool's name and its arguments, in the order in which they are written."""

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def text(self) -> str:
        """The call as the model writes it."""
        arguments = json.dumps(dict(self.arguments), ensure_ascii=False)
        return f'{CALL_OPEN}{self.name}", "arguments": {arguments}}}</tool_call>'


@dataclass(frozen=True)
class Message:
    """One message of a conversation: role `user`, `assistant`, `tool` or `system`."""

    role: str
    content: str = ""
    calls: Sequence[Call] = ()

    def as_openai(self) -> dict[str, Any]:
        """The message in the form of the OpenAI chat interface, as chat templates take it."""
        message: dict[str, Any] = {"role": self.role, "content": self.content}
        if self.calls:
            message["tool_calls"] = [
                {"type": "function", "function": {"name": call.name, "arguments": dict(call.arguments)}}
                for call in self.calls
            ]
        return message


def segments(messages: Iterable[Message], *, prompt: bool = False) -> list[tuple[str, bool]]:
    """The conversation as pieces of text, each with whether the model is to learn it (the assistant's own words).

    With `prompt` the text ends where the assistant is about to speak.
    """
    pieces: list[tuple[str, bool]] = []
    for message in messages:
        if message.role == "system":
            continue
        pieces.append((f"<|{message.role}|>", False))
        body = message.content + "".join(call.text() for call in message.calls) + END
        pieces.append((body, message.role == "assistant"))
    return [*pieces, (ASSISTANT, False)] if prompt else pieces


def render(messages: Iterable[Message], *, prompt: bool = False) -> str:
    """The whole conversation as one text."""
    return "".join(text for text, _ in segments(messages, prompt=prompt))


def parse_calls(text: str) -> list[Call]:
    """The calls in what the model wrote; text that is not a well-formed call yields none for that part."""
    calls: list[Call] = []
    for block in text.split("<tool_call>")[1:]:
        try:
            parsed = json.loads(block.split("</tool_call>")[0], strict=False)
            calls.append(Call(str(parsed["name"]), dict(parsed["arguments"])))
        except (ValueError, KeyError, TypeError):
            continue
    return calls


# The filter `tojson` differs between Jinja (which escapes < > & ') and the copies in transformers and llama.cpp, so
# strings are escaped here by plain replacement.
TEMPLATE = (
    "{%- macro quoted(text) -%}"
    "\"{{ text | replace('\\\\', '\\\\\\\\') | replace('\"', '\\\\\"') | replace('\\n', '\\\\n')"
    " | replace('\\r', '\\\\r') | replace('\\t', '\\\\t') }}\""
    "{%- endmacro -%}"
    "{%- for message in messages -%}"
    "{%- if message['role'] != 'system' -%}"
    "{{ '<|' + message['role'] + '|>' }}"
    "{%- if message['content'] -%}{{ message['content'] }}{%- endif -%}"
    "{%- for call in message['tool_calls'] or [] -%}"
    "{%- set function = call['function'] -%}"
    "{{ '<tool_call>{\"name\": \"' + function['name'] + '\", \"arguments\": ' }}"
    "{%- if function['arguments'] is string -%}{{ function['arguments'] }}"
    "{%- else -%}{{ '{' }}"
    "{%- for key, value in function['arguments'].items() -%}"
    "{%- if not loop.first -%}{{ ', ' }}{%- endif -%}"
    "{{ '\"' + key + '\": ' }}"
    "{%- if value is string -%}{{ quoted(value) }}"
    "{%- elif value is boolean -%}{{ 'true' if value else 'false' }}"
    "{%- elif value is none -%}{{ 'null' }}"
    "{%- else -%}{{ value }}{%- endif -%}"
    "{%- endfor -%}"
    "{{ '}' }}"
    "{%- endif -%}"
    "{{ '}</tool_call>' }}"
    "{%- endfor -%}"
    "{{ '<|end|>' }}"
    "{%- endif -%}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ '<|assistant|>' }}{%- endif -%}"
)
