"""How a model writes its tool calls, read off its own chat template.

A template is asked to render a call with known marker words. What stands around the markers is the model's format: it
gives the grammar that constrains generation, and the parser that reads the result.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from so8t.agent.engines import ProposedCall

NAME, KEY, VALUE = "so8tprobename", "so8tprobekey", "so8tprobevalue"
IDS = ("so8tid001", "so8tid002")  # nine letters and digits: some templates insist
ARGUMENTS = re.compile(r'\{\s*"' + KEY + r'"\s*:\s*"' + VALUE + r'"\s*\}')
Render = Callable[[Sequence[dict[str, Any]], bool], str]


@dataclass(frozen=True, slots=True)
class CallFormat:
    """`before NAME middle ARGUMENTS (between NAME middle ARGUMENTS)* after`. A NUL in a part stands for a call id."""

    before: str
    middle: str
    between: str | None  # None: one call an answer
    after: str

    @property
    def trigger(self) -> str:
        """What announces a call."""
        return self.before.lstrip().split("\0")[0]

    @property
    def only_at_start(self) -> bool:
        """Whether the trigger is plain JSON, which may also stand inside an answer's text."""
        return self.trigger.startswith(("{", "["))

    def split(self, text: str) -> tuple[str, tuple[ProposedCall, ...], bool]:
        """Text before the calls, the calls, and whether they are complete."""
        start = text.find(self.trigger)
        if start < 0 or (self.only_at_start and text[:start].strip()):
            return text, (), True
        calls, position = [], start
        separator = self.before.lstrip()
        while match := _literal(separator).match(text, position):
            name_end = _literal(self.middle).search(text, match.end())
            if name_end is None:
                return text[:start], tuple(calls), False
            try:
                _, position = json.JSONDecoder().raw_decode(text, name_end.end())
            except (json.JSONDecodeError, RecursionError):
                return text[:start], tuple(calls), False
            calls.append(ProposedCall(text[match.end() : name_end.start()], text[name_end.end() : position]))
            if self.between is None:
                break
            separator = self.between
        return text[:start], tuple(calls), bool(_literal(self.after.rstrip()).match(text, position))


FALLBACK = CallFormat(
    before='<tool_call>\n{"name": "',
    middle='", "arguments": ',
    between='}\n</tool_call>\n<tool_call>\n{"name": "',
    after="}\n</tool_call>",
)
"""For models whose template knows no tools: they are told this format in words."""


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
    after = _until_end(one[found.end() :], ends)
    middle = one[name + len(NAME) : found.start()]
    return CallFormat(_ids(one[:name]), _ids(middle), _between(render, start, middle), _ids(after))


def _between(render: Render, start: str, middle: str) -> str | None:
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


def _literal(part: str) -> re.Pattern[str]:
    """A pattern for a part: white space is loose, a NUL is an id."""
    pieces = re.split(r"(\s+|\0)", part)
    return re.compile("".join(r"\s*" if p.isspace() else r"[\w-]*" if p == "\0" else re.escape(p) for p in pieces))
