"""Chat templates as GGUF files carry them: how conversations are rendered, and what format of calls is read off."""

from __future__ import annotations

from typing import Any

import pytest

from so8t.agent.engines.call_format import FALLBACK, CallFormat
from so8t.agent.engines.chat_template import CHATML, ChatTemplate, TemplateError

HERMES = """{%- if tools %}<|im_start|>system
{% if messages[0].role == 'system' %}{{ messages[0].content }}

{% endif %}<tools>
{% for tool in tools %}{{ tool | tojson }}
{% endfor %}</tools><|im_end|>
{% elif messages[0].role == 'system' %}<|im_start|>system
{{ messages[0].content }}<|im_end|>
{% endif %}
{%- for m in messages %}
{%- if m.role == 'tool' %}<|im_start|>user
<tool_response>
{{ m.content }}
</tool_response><|im_end|>
{% elif m.role != 'system' %}<|im_start|>{{ m.role }}
{{- '\n' + m.content if m.content }}
{%- for call in m.tool_calls or [] %}
{{- '\n<tool_call>\n{"name": "' + call.function.name + '", "arguments": ' }}
{{- call.function.arguments | tojson }}{{ '}\n</tool_call>' }}
{%- endfor %}<|im_end|>
{% endif %}
{%- endfor %}
{%- if add_generation_prompt %}<|im_start|>assistant
{% endif %}"""

THINKING = HERMES.replace(
    "{%- for call in m.tool_calls or [] %}",
    "{%- if loop.last and m.role == 'assistant' %}{{ '\n<think>\n\n</think>\n' }}{% endif %}"
    "{%- for call in m.tool_calls or [] %}",
)

LLAMA3 = """{{- bos_token }}
{%- for m in messages %}
{%- if m.tool_calls %}
{%- if m.tool_calls | length != 1 %}{{ raise_exception('one call at a time') }}{% endif %}
{%- set call = m.tool_calls[0].function %}
{{- '<|start_header_id|>assistant<|end_header_id|>\n\n' }}
{{- '{"name": "' + call.name + '", "parameters": ' + (call.arguments | tojson) + '}' }}{{ '<|eot_id|>' }}
{%- else %}
{{- '<|start_header_id|>' + (m.role if m.role != 'tool' else 'ipython') + '<|end_header_id|>\n\n' }}
{%- if m.role == 'user' and loop.index0 <= 1 and tools %}{% for t in tools %}{{ t | tojson(indent=4) }}
{% endfor %}{% endif %}
{{- m.content | trim }}{{ '<|eot_id|>' }}
{%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"""

MISTRAL = """{{- bos_token }}
{%- set ns = namespace(last='') %}
{%- for m in messages %}
{%- if m.role == ns.last and m.role != 'tool' %}{{ raise_exception('roles must alternate') }}{% endif %}
{%- set ns.last = m.role %}
{%- if m.role == 'user' %}
{%- if tools and loop.last %}{{ '[AVAILABLE_TOOLS] ' + (tools | tojson) + '[/AVAILABLE_TOOLS]' }}{% endif %}
{{- '[INST] ' + m.content + '[/INST]' }}
{%- elif m.role == 'tool' %}
{%- if m.tool_call_id | length != 9 %}{{ raise_exception('ids have nine characters') }}{% endif %}
{{- '[TOOL_RESULTS] {"content": ' + (m.content | tojson) + ', "call_id": "' + m.tool_call_id + '"}[/TOOL_RESULTS]' }}
{%- elif m.tool_calls %}{{ '[TOOL_CALLS] [' }}
{%- for call in m.tool_calls %}
{%- if call.id | length != 9 %}{{ raise_exception('ids have nine characters') }}{% endif %}
{{- '{"name": "' + call.function.name + '", "arguments": ' + (call.function.arguments | tojson) }}
{{- ', "id": "' + call.id + '"}' }}{{ ', ' if not loop.last }}
{%- endfor %}{{ ']' + eos_token }}
{%- elif m.role == 'assistant' %}{{ ' ' + m.content + eos_token }}
{%- endif %}
{%- endfor %}"""

GEMMA = """{{- bos_token }}
{%- if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}
{%- for m in messages %}
{%- if (m.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('roles must alternate') }}{% endif %}
{{- '<start_of_turn>' + ('model' if m.role == 'assistant' else m.role) + '\n' + m.content | trim + '<end_of_turn>\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}"""

SPECIALS = ["<|im_start|>", "<|im_end|>", "<|eot_id|>", "<s>", "</s>", "[INST]", "[/INST]", "<end_of_turn>"]
ENDS = ["<|im_end|>", "<|eot_id|>", "</s>", "<end_of_turn>"]
TOOLS = [
    {
        "type": "function",
        "function": {"name": "read_file", "description": "Read a file, if it's <small>.", "parameters": {}},
    }
]
TALK: list[dict[str, Any]] = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "What is in a.txt?"},
    {
        "role": "assistant",
        "content": "",
        "tool_calls": [
            {"id": "abcdefgh0", "type": "function", "function": {"name": "read_file", "arguments": {"path": "a.txt"}}}
        ],
    },
    {"role": "tool", "content": "milk", "tool_call_id": "abcdefgh0", "name": "read_file"},
]


def template(source: str) -> ChatTemplate:
    return ChatTemplate(source, SPECIALS, ENDS, bos="<s>", eos="</s>")


def rendered(source: str, messages: list[dict[str, Any]], tools: list[dict[str, Any]] = TOOLS) -> str:
    return "".join(text for text, _ in template(source).pieces(messages, tools))


HERMES_FORM = CallFormat(
    '<tool_call>\n{"name": "', '", "arguments": ', '}\n</tool_call>\n<tool_call>\n{"name": "', "}\n</tool_call>"
)


@pytest.mark.parametrize(
    ("source", "form"),
    [
        (HERMES, HERMES_FORM),
        (THINKING, HERMES_FORM),
        (LLAMA3, CallFormat('{"name": "', '", "parameters": ', None, "}")),
        (
            MISTRAL,
            CallFormat('[TOOL_CALLS] [{"name": "', '", "arguments": ', ', "id": "\0"}, {"name": "', ', "id": "\0"}]'),
        ),
    ],
    ids=["hermes", "thinking", "llama3", "mistral"],
)
def test_the_format_of_calls_is_read_off_the_template(source: str, form: CallFormat) -> None:
    assert template(source).form == form
    assert template(source).knows_calls


@pytest.mark.parametrize("source", [GEMMA, CHATML, "{{ messages[0].content }}", "", "{{ raise_exception('no') }}"])
def test_a_template_without_calls_gets_the_format_that_it_is_told_in_words(source: str) -> None:
    assert not template(source).knows_calls
    assert template(source).form == FALLBACK


def test_a_call_that_nothing_announces_is_no_format() -> None:
    bare = "{% for m in messages %}{{ m.content }}{% for c in m.tool_calls or [] %}{{ c.function.name }} " + (
        "{{ c.function.arguments | tojson }}{% endfor %}{% endfor %}"
    )
    assert not template(bare).knows_calls


@pytest.mark.parametrize("source", [HERMES, THINKING, LLAMA3, MISTRAL])
def test_tools_calls_and_results_stand_in_the_prompt_as_the_model_knows_them(source: str) -> None:
    text = rendered(source, TALK)
    form = template(source).form
    assert f'{form.before}read_file{form.middle}{{"path": "a.txt"}}' in text
    assert "milk" in text.split('"a.txt"')[1]
    if source is not MISTRAL:  # lists the tools with a last user message only
        assert "Read a file, if it's <small>." in text


@pytest.mark.parametrize("source", [GEMMA, CHATML])
def test_a_model_without_tools_is_told_of_them_in_words_and_sees_calls_and_results_as_text(source: str) -> None:
    text = rendered(source, TALK)
    assert text.index("Be brief.") < text.index("You can call tools.") < text.index("What is in a.txt?")
    assert '<tool_call>\n{"name": "read_file", "arguments": {"path": "a.txt"}}\n</tool_call>' in text
    assert "<tool_response>\nmilk\n</tool_response>" in text


@pytest.mark.parametrize("source", [GEMMA, MISTRAL])
def test_messages_of_one_role_in_a_row_are_merged_for_a_template_that_refuses_them(source: str) -> None:
    talk = [{"role": "user", "content": "one"}, {"role": "user", "content": "two"}]
    assert "one\n\ntwo" in rendered(source, talk, [])


def test_messages_of_one_role_in_a_row_stay_apart_where_the_template_takes_them() -> None:
    talk = [{"role": "user", "content": "one"}, {"role": "user", "content": "two"}]
    assert rendered(HERMES, talk, []).count("<|im_start|>user") == 2


def test_a_system_message_goes_into_the_first_of_the_user_where_the_template_has_no_such_role() -> None:
    text = rendered(GEMMA, TALK[:2], [])
    assert text == "<s><start_of_turn>user\nBe brief.\n\nWhat is in a.txt?<end_of_turn>\n<start_of_turn>model\n"


def test_json_in_a_prompt_is_not_escaped_for_html_and_keeps_every_script() -> None:
    tools = [{"type": "function", "function": {"name": "x", "description": "日本語 & 'quoted' <b>", "parameters": {}}}]
    assert "日本語 & 'quoted' <b>" in rendered(HERMES, TALK[:2], tools)


def test_marks_that_only_training_needs_are_ignored() -> None:
    source = "{% for m in messages %}{% generation %}{{ m.content }}{% endgeneration %}{% break %}{% endfor %}"
    assert rendered(source, TALK, []) == "Be brief."


def test_todays_date_can_be_asked_for() -> None:
    assert rendered("{{ strftime_now('%Y') }}", TALK[:2], []).startswith("20")


@pytest.mark.parametrize("source", ["{% for %}", "{{ messages | nosuchfilter }}", "{% include 'x' %}{% endfor %}"])
def test_a_broken_template_is_an_error_of_ours(source: str) -> None:
    with pytest.raises(TemplateError, match="chat template is broken"):
        template(source)


def test_a_template_that_refuses_every_form_is_an_error_with_the_templates_own_words() -> None:
    with pytest.raises(TemplateError, match="only on Sundays"):
        template("{{ raise_exception('only on Sundays') }}").pieces(TALK, TOOLS)


def test_a_template_that_renders_nothing_is_an_error() -> None:
    with pytest.raises(TemplateError, match="renders nothing"):
        template("{% if false %}x{% endif %}").pieces(TALK, [])


def test_a_template_without_the_conversation_is_still_rendered() -> None:
    assert rendered("hello", TALK, []) == "hello"
