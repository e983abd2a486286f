"""Generates dialogues without end: a person's turns, the calls, tool results and the assistant's words. Seeded."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from random import Random
from typing import Any

from so8t.training.mini import replies, results, values, wordlists
from so8t.training.mini.chat import Call, Message
from so8t.training.mini.phrasing import SLOT, Phrasing
from so8t.training.mini.surface import utter

FOREIGN_LINES = wordlists.lines("foreign")
TOOL_WEIGHTS = {
    "list_files": 1.0, "read_file": 1.2, "write_file": 2.0, "search_text": 1.8, "calculator": 1.3, "current_time": 1.4,
    "sqlite_query": 1.6, "remember": 1.3, "recall": 1.1, "http_get": 0.8,
}  # fmt: skip
REPLY_SHARE, FOREIGN_SHARE, DOUBLE_SHARE, FOLLOW_SHARE, REUSE_SHARE = 0.16, 0.02, 0.02, 0.4, 0.15
CALL_ONLY_SHARE = 0.75  # of the dialogues, those that end with the call and leave its result out
TURNS = (1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 3, 4)
LONG_SHARE, LONG_TURNS = 0.15, (4, 16)  # of the dialogues; so that the model knows every place in its context
DOUBLES = wordlists.table("doubles")


class Generator:
    """Makes dialogues from `phrasings`; the same seed gives the same dialogues."""

    def __init__(self, phrasings: Sequence[Phrasing], seed: int) -> None:
        self.random = Random(seed)  # noqa: S311  # makes examples, keeps no secret
        self.by_tool: dict[str, list[Phrasing]] = defaultdict(list)
        self.by_reply: dict[str, list[Phrasing]] = defaultdict(list)
        self.after: dict[str, list[Phrasing]] = defaultdict(list)
        for item in phrasings:
            if item.after:
                self.after[item.after].append(item)
            else:
                (self.by_tool[item.tool] if item.tool else self.by_reply[str(item.reply)]).append(item)
        self.tools = sorted(self.by_tool)
        self.weights = [TOOL_WEIGHTS[tool] for tool in self.tools]

    def __iter__(self) -> Iterator[list[Message]]:
        while True:
            yield self.dialogue()

    def dialogue(self, turns: int | None = None) -> list[Message]:
        """One dialogue, of one to four turns mostly."""
        r, messages, last = self.random, list[Message](), None
        count = turns or (r.randint(*LONG_TURNS) if r.random() < LONG_SHARE else r.choice(TURNS))
        for turn in range(count):
            spoken, last = self._turn(last, r)
            final = turn == count - 1 and r.random() < CALL_ONLY_SHARE
            messages += spoken if not final else spoken[:2]
        return messages

    def _turn(self, last: Call | None, r: Random) -> tuple[list[Message], Call | None]:
        kind = r.random()
        if kind < FOREIGN_SHARE:
            line = " ".join(r.choice(FOREIGN_LINES) for _ in range(r.choice((1, 1, 1, 2))))
            return [Message("user", line), Message("assistant", replies.FOREIGN)], None
        if kind < FOREIGN_SHARE + DOUBLE_SHARE:
            return self._double(r), None
        phrasing = self.pick(last, r)
        filled = self._values(phrasing, last, r)
        user = Message("user", utter(phrasing.text, filled, r))
        if phrasing.reply:
            return [user, Message("assistant", r.choice(replies.REPLIES[phrasing.reply]))], None
        call = Call(str(phrasing.tool), substitute(phrasing.arguments, filled))
        return [user, *self._outcome([call], r)], call

    def pick(self, last: Call | None, r: Random) -> Phrasing:
        """A phrasing that fits after the call `last` of the turn before."""
        if last and self.after[last.name] and r.random() < FOLLOW_SHARE:
            fitting = [item for item in self.after[last.name] if previous(last) or not _needs_previous(item)]
            if fitting:
                return r.choice(fitting)
        if r.random() < REPLY_SHARE / (1 - FOREIGN_SHARE - DOUBLE_SHARE):
            return r.choice(self.by_reply[r.choice(sorted(self.by_reply))])
        return r.choice(self.by_tool[r.choices(self.tools, self.weights)[0]])

    def _values(self, phrasing: Phrasing, last: Call | None, r: Random) -> dict[str, str]:
        filled = values.fill(set(phrasing.slots), r)
        earlier = previous(last) if last else None
        if earlier:
            filled["prev"] = earlier
            slot = "db" if last and last.name == "sqlite_query" else "file"
            if slot in filled and r.random() < REUSE_SHARE:
                filled[slot] = earlier
        return filled

    def _outcome(self, calls: list[Call], r: Random) -> list[Message]:
        outputs = [results.result(call.name, call.arguments, r) for call in calls]
        words = " ".join(
            replies.answer(call.name, call.arguments, out, r) for call, out in zip(calls, outputs, strict=True)
        )
        return [
            Message("assistant", calls=calls),
            *(Message("tool", out) for out in outputs),
            Message("assistant", words),
        ]

    def _double(self, r: Random) -> list[Message]:
        tool = r.choice(sorted(DOUBLES))
        slot, key, patterns = (DOUBLES[tool][part] for part in ("slot", "argument", "phrasings"))
        found = [values.MAKERS[slot](r).replace(" ", "_") for _ in range(2)]
        text = r.choice(patterns).format("{a}", "{b}")
        user = Message("user", utter(text, {"a": found[0], "b": found[1]}, r))
        return [user, *self._outcome([Call(tool, {key: value}) for value in found], r)]


def previous(call: Call) -> str | None:
    """What `{prev}` stands for after `call`: its file, folder or database."""
    value = call.arguments.get("database") or call.arguments.get("path")
    return str(value) if value else None


def _needs_previous(phrasing: Phrasing) -> bool:
    return "prev" in phrasing.slots or "{prev}" in json.dumps(phrasing.arguments)


def substitute(arguments: dict[str, Any], filled: dict[str, str]) -> dict[str, Any]:
    """`arguments` with each slot in its strings replaced by the value."""
    return {
        key: SLOT.sub(lambda match: filled[match.group(1)], value) if isinstance(value, str) else value
        for key, value in arguments.items()
    }
