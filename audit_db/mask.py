"""Secrets are masked before anything is hashed or stored.

What is masked stays masked: `[masked:github_token]` takes the secret's place in strings, in the keys of objects and
in calls. A second masking changes nothing.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, quote_plus

from so8t.audit_db.secret_formats import FORMATS, SECRET_KEYS, SecretFormat
from so8t.gate.contract import Call
from so8t.gate.strict_json import canonical

MIN_SECRET = 6
"""A registered value shorter than this (in characters) would mask ordinary text."""

_MARK = re.compile(r"(\[masked:[a-z0-9_]+\])")
_NAME = re.compile(r"[a-z0-9_]{1,40}")


class MaskedText(str):
    """Text that was masked where its parts were still apart; it must stay as it is, since a digest was made of it."""

    __slots__ = ()


class BadSecret(ValueError):
    """A registered secret is too short, or its name is not made of a-z, 0-9 and _."""


class Masker:
    """Finds known secret formats and the values that the operator registered.

    Args:
        registered: name -> value. A value is also found JSON-escaped, percent-encoded and in base64.

    Raises:
        BadSecret: a name or a value that cannot work.
    """

    def __init__(self, registered: Mapping[str, str] | None = None) -> None:
        self._formats = tuple(_registered(n, v) for n, v in (registered or {}).items()) + FORMATS

    def text(self, text: str) -> str:
        """`text` without its secrets."""
        while (masked := self._once(text)) != text:  # ends: each round turns text that is not masked into a mark
            text = masked
        return text

    def value(self, value: Any) -> Any:
        """A JSON value without its secrets, in strings and keys at any depth."""
        match value:
            case MaskedText():
                return value
            case str():
                return self.text(value)
            case dict():
                return self._members(value)
            case list() | tuple():
                return [self.value(item) for item in value]
        return value

    def call(self, call: Call) -> Call:
        """The call as it may be stored and shown; its digest differs only where something was masked."""
        return Call(self.text(call.name), canonical(self.value(call.arguments)), call.id)

    def _members(self, members: Mapping[str, Any]) -> dict[str, Any]:
        masked: dict[str, Any] = {}
        for key, item in members.items():
            name = self.text(key)
            while name in masked or (name != key and name in members):
                name += "+"  # two keys with one mask stay two
            masked[name] = self._secret_member(item) if _is_secret_key(key) else self.value(item)
        return masked

    def _secret_member(self, item: Any) -> Any:
        if not isinstance(item, str) or item == "":
            return self.value(item)
        masked = self.text(item)
        return masked if _MARK.fullmatch(masked) else "[masked:secret_member]"

    def _once(self, text: str) -> str:
        parts = _MARK.split(text)  # text and marks in turn; a mark is never looked into
        for format_ in self._formats:
            if any(hint in text for hint in format_.hints):
                parts = _MARK.split("".join(p if i % 2 else _apply(format_, p) for i, p in enumerate(parts)))
        return "".join(parts)


def _apply(format_: SecretFormat, text: str) -> str:
    mark = f"[masked:{format_.name}]"

    def replaced(match: re.Match[str]) -> str:
        group = "secret" if "secret" in format_.pattern.groupindex else 0
        if not format_.check(match[group]):
            return match[0]
        start, end = match.start(group) - match.start(), match.end(group) - match.start()
        return match[0][:start] + mark + match[0][end:]

    return format_.pattern.sub(replaced, text)


def _is_secret_key(key: str) -> bool:
    return key.lower().replace("-", "_") in SECRET_KEYS


def _registered(name: str, value: str) -> SecretFormat:
    if not _NAME.fullmatch(name):
        raise BadSecret(f"the name {name!r} of a secret: use a-z, 0-9 and _ (at most 40)")
    if len(value) < MIN_SECRET:
        raise BadSecret(f"the secret {name} has fewer than {MIN_SECRET} characters: it would mask ordinary text")
    plain, encoded = _spellings(value), _base64_cores(value.encode())
    run = "[A-Za-z0-9+/_=-]"  # the whole piece of base64 goes; sought from its start only, so that the time is linear
    pattern = "|".join([*map(re.escape, plain), *(f"(?<!{run}){run}*?{re.escape(c)}{run}*" for c in encoded)])
    return SecretFormat(name, (*plain, *encoded), re.compile(pattern))


def _spellings(value: str) -> list[str]:
    """The value as it stands in plain text, in JSON text and in URLs; longest first."""
    json_text = [json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]]
    percent = [quote(value, safe=""), quote(value), quote_plus(value)]
    lower = [re.sub("%[0-9A-F]{2}", lambda m: m[0].lower(), p) for p in percent]
    return sorted({value, *json_text, *percent, *lower}, key=lambda s: (-len(s), s))


def _base64_cores(value: bytes) -> list[str]:
    """The part of the value's base64 that does not depend on what stands beside it, for each of three offsets."""
    cores = set()
    for offset in range(3):
        encoded = base64.b64encode(b"\0" * offset + value).decode()
        first, last = (0, 2, 3)[offset], (offset + len(value)) * 8 // 6
        core = encoded[first:last]
        cores |= {core, core.replace("+", "-").replace("/", "_")}
    return sorted(cores)
