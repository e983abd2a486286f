"""Keeps special-token strings inside messages and tools plain text: nobody forges a role by typing one."""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from typing import Any


class Shield:
    """Swaps special-token strings for markers before a template renders them, and back after it."""

    def __init__(self, specials: Sequence[str]) -> None:
        self._specials = sorted(specials, key=len, reverse=True)
        self._numbers = {special: number for number, special in enumerate(self._specials)}
        self._pattern = re.compile("|".join(map(re.escape, self._specials)) or r"(?!)")
        self._open = f"\ue000{secrets.token_hex(8)}:"

    def value(self, value: Any) -> Any:
        """A JSON value with markers in place of special-token strings."""
        match value:
            case str():
                return self._pattern.sub(lambda found: f"{self._open}{self._numbers[found[0]]}\ue001", value)
            case dict():
                return {self.value(key): self.value(item) for key, item in value.items()}
            case list():
                return [self.value(item) for item in value]
            case _:
                return value

    def split(self, text: str) -> list[tuple[str, bool]]:
        """Rendered text as pieces, and whether special tokens may stand in each."""
        parts: list[tuple[str, bool]] = []
        for index, part in enumerate(text.split(self._open)):
            number, closed, rest = part.partition("\ue001") if index else ("", "", part)
            if closed:
                parts.append((self._specials[int(number)], False))
            parts.append((rest, True))
        return [part for part in parts if part[0]]
