"""Reads a model's call format off its own chat template.

The template is asked to render calls with known marker words. What stands around the markers is the model's format: it
gives the grammar that constrains generation, and the parser that reads the result.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from typing import Any

from so8t.agent.engines.call_format import CallFormat

NAME, KEY, VALUE = "so8tprobename", "so8tprobekey", "so8tprobevalue"
IDS = ("so8tid001", "so8tid002")  # nine letters and digits: some templates insist
ARGUMENTS = re.compile(r'\{\s*"' + KEY + r'"\s*:\s*"' + VALUE + r'"\s*\}')
THOUGHT = re.compile(r"\s*<think>.*?</think>", re.DOTALL)
Render = Callable[[Sequence[dict[str, Any]], bool], str]


def detect(render: Render, ends: Sequence[str]) -> CallFormat | None:
    """The format of a template, or None where it has none that this reads.

    Args:
        render: renders messages (OpenAI form) with or without the generation prompt; may raise anything.
        ends: texts of the tokens that end an answer.
    """
    try:
        start = render([_USER], True)
        one = _rest(start, render([_USER, _calls(1)], False))
    except Exception:  # noqa: BLE001 - a template is a foreign program; any failure means that it knows no calls
        return None
    found = ARGUMENTS.search(one)
    name = one.find(NAME)
    if found is None or not 0 <= name < found.start():
        return None
    before = THOUGHT.sub("", one[:name], count=1).lstrip()
    middle = one[name + len(NAME) : found.start()]
    if not re.split(r"\s|" + "|".join(IDS), before)[0] or not middle.strip():
        return None  # nothing announces a call, or nothing ends its name
    after = _until_end(one[found.end() :], ends)
    return CallFormat(_ids(before), _ids(middle), _between(render, start), _ids(after))


def _between(render: Render, start: str) -> str | None:
    try:
        two = _rest(start, render([_USER, _calls(2)], False))
    except Exception:  # noqa: BLE001 - see detect(): a template that takes one call an answer
        return None
    first = ARGUMENTS.search(two)
    second = two.find(NAME, first.end()) if first else -1
    if first is None or second < 0 or ARGUMENTS.search(two, second) is None:
        return None
    return _ids(two[first.end() : second])


_USER = {"role": "user", "content": "hello"}


def _calls(count: int) -> dict[str, Any]:
    function = {"name": NAME, "arguments": {KEY: VALUE}}
    calls = [{"id": IDS[i], "type": "function", "function": function} for i in range(count)]
    return {"role": "assistant", "content": "", "tool_calls": calls}


def _rest(start: str, whole: str) -> str:
    """What the model itself would write: `whole` without the prompt that `start` ends with."""
    common = os.path.commonprefix([start, whole])
    if common != start:  # the generation prompt holds more than a finished answer does, such as an opened <think>
        common = common[: max(common.rfind("\n"), common.rfind(">")) + 1]
    return whole[len(common) :]


def _until_end(text: str, ends: Sequence[str]) -> str:
    cuts = [text.find(end) for end in ends if end and end in text]
    return text[: min(cuts)] if cuts else text.rstrip()


def _ids(text: str) -> str:
    for probe in IDS:
        text = text.replace(probe, "\0")
    return text
