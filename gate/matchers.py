"""What a policy rule may ask of one argument. All conditions that a matcher states must hold."""

from __future__ import annotations

import fnmatch
from typing import Any

import regex
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, field_validator, model_validator

from so8t.gate.leaves import Leaf
from so8t.gate.names import unknown
from so8t.gate.plain import plain, skeleton, squash
from so8t.gate.strict_json import canonical

REGEX_SECONDS = 0.05  # a pattern that needs longer counts as a match: the rule then tightens, never loosens


class Matcher(BaseModel):
    """Conditions on the text of a value. A number or a boolean is compared as JSON text."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    equals: Any = Field(None, description="the same value, in any spelling")
    contains: str | None = Field(None, min_length=1, description="this text occurs, in any spelling")
    glob: str | None = Field(None, min_length=1, description="the whole value fits this pattern of * and ?")
    regex: str | None = Field(None, min_length=1, description="this pattern is found (ignoring case)")
    longer_than: int | None = Field(None, ge=0, description="more characters than this")
    greater_than: float | None = Field(None, description="a number (also as text) above this")
    outside: tuple[str, ...] | None = Field(None, min_length=1, description="fits none of these patterns")

    _compiled: Any = PrivateAttr(None)

    @model_validator(mode="before")
    @classmethod
    def _names(cls, value: Any) -> Any:
        if isinstance(value, dict):
            for name in value:
                if name not in cls.model_fields:
                    raise ValueError(unknown("matcher", str(name), cls.model_fields))
            if not value:
                raise ValueError(f"a matcher needs a condition: one of {', '.join(cls.model_fields)}")
        return value

    @field_validator("regex")
    @classmethod
    def _pattern(cls, value: str | None) -> str | None:
        try:
            regex.compile(value or "")
        except regex.error as error:
            raise ValueError(f"the regular expression {value!r} is wrong: {error}") from None
        return value

    def model_post_init(self, _: Any) -> None:
        self._compiled = regex.compile(self.regex, regex.IGNORECASE) if self.regex else None

    @property
    def negative(self) -> bool:
        """Whether the matcher asks what a value is not: it then looks at single values only."""
        return self.outside is not None or self.longer_than is not None

    def matches(self, leaf: Leaf, copies: tuple[str, ...]) -> bool:
        """Whether every stated condition holds. `copies` are the value and what it may be read as."""
        conditions = (
            self.equals is None or self._equals(copies),
            self.contains is None or any(squash(self.contains) in squash(c) for c in copies),
            self.glob is None or any(fits(c, self.glob) for c in copies),
            self.regex is None or any(self._found(c) for c in copies),
            self.longer_than is None or len(leaf.text) > self.longer_than,
            self.greater_than is None or _number(leaf.text) > self.greater_than,
            self.outside is None or self._outside(leaf.text, self.outside),
        )
        return all(conditions)

    def _equals(self, copies: tuple[str, ...]) -> bool:
        wanted = self.equals if isinstance(self.equals, str) else canonical(self.equals)
        return any(skeleton(c) == skeleton(wanted) for c in copies)

    def _found(self, text: str) -> bool:
        try:
            return self._compiled.search(text, timeout=REGEX_SECONDS) is not None
        except TimeoutError:
            return True

    def _outside(self, text: str, patterns: tuple[str, ...]) -> bool:
        """A path that climbs by '..' is outside of everything; look-alikes are outside, as they are not the same."""
        if ".." in text.replace("\\", "/").split("/"):
            return True
        return not any(fnmatch.fnmatchcase(text.casefold(), p.casefold()) for p in patterns)


def fits(text: str, pattern: str) -> bool:
    """Whether the whole text fits a pattern of * ? [...], in any spelling."""
    return fnmatch.fnmatchcase(skeleton(text), skeleton(pattern)) or fnmatch.fnmatchcase(plain(text), plain(pattern))


def _number(text: str) -> float:
    """The number that the text is. Thousands separators are ignored; what is no number is below everything."""
    try:
        return float(plain(text).replace(",", "").replace("_", "").replace(" ", ""))
    except ValueError:
        return float("-inf")
