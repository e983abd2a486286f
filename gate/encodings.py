"""Encoded text in arguments: found, decoded (also when nested), or reported as unreadable.

What decodes to readable text is decoded; a long run that is clearly encoded and gives no text is opaque. Paths, names,
hashes, UUIDs and prose give no text when decoded and do not look random, so they are neither.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice, pairwise

from so8t.gate import decoders

MAX_DEPTH = 4
MAX_BLOBS = 64  # in one text; more than that is unreadable
ORDINARY = frozenset({"address"})  # kinds that every browser makes: judged as text, but nothing to ask about
_DIGESTS = {32, 40, 56, 64, 96, 128}  # hex digits of MD5, SHA-1 and the SHA-2 family: names of things, not texts

# Each pattern is linear in the text: starts are bounded and repetitions possessive.
_HEX = re.compile(r"(?<![0-9A-Za-z])(?:0x)?((?:[0-9A-Fa-f]{2}[ :]?){7,}[0-9A-Fa-f]{2})(?![0-9A-Za-z])")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{12,}+={0,2}")
_BASE64_IN_PATH = re.compile(r"[A-Za-z0-9+]{16,}+={0,2}")
_BASE64_LINES = re.compile(r"(?<![A-Za-z0-9+/_-])(?:[A-Za-z0-9+/_-]{12,}+\s++)+[A-Za-z0-9+/_-]++={0,2}")
_BASE32 = re.compile(r"(?<![0-9A-Za-z])[A-Z2-7]{16,}+={0,6}")
_PERCENT = re.compile(r"(?<!\S)[^\s%]*+%\S++")
_ESCAPES = re.compile(r"(?:\\x[0-9A-Fa-f]{2}|\\u[0-9A-Fa-f]{4}|&#x?[0-9A-Fa-f]{2,6};){3,}+")
_KINDS: tuple[tuple[str, re.Pattern[str], Callable[[str], str | None]], ...] = (
    ("escapes", _ESCAPES, decoders.from_escapes),
    ("percent", _PERCENT, decoders.from_percent),
    ("address", _PERCENT, decoders.from_address),
    ("hex", _HEX, decoders.from_hex),
    ("base32", _BASE32, decoders.from_base32),
    ("base64", _BASE64_LINES, decoders.from_base64),
    ("base64", _BASE64, decoders.from_base64),
    ("base64", _BASE64_IN_PATH, decoders.from_base64),
    ("rot13", re.compile(r"(?s).+"), decoders.from_rot13),
)


@dataclass(frozen=True, slots=True)
class Blob:
    """An encoded run inside a text. `plain` is what it says, fully decoded, or None where it gives no text."""

    kind: str
    encoded: str
    plain: str | None


@lru_cache(maxsize=512)
def blobs(text: str) -> tuple[Blob, ...]:
    """Every encoded run of `text`, at most MAX_BLOBS; each one once."""
    found: dict[str, Blob] = {}
    for blob in _scan(text, MAX_DEPTH):
        if len(found) == MAX_BLOBS:
            return (*found.values(), Blob("too many encoded parts", text[:40], None))
        found.setdefault(blob.encoded, blob)
    return tuple(found.values())


def readable_copies(text: str) -> tuple[str, ...]:
    """What the encoded parts of `text` say."""
    return tuple(blob.plain for blob in blobs(text) if blob.plain is not None)


def _scan(text: str, depth: int) -> Iterator[Blob]:
    taken: list[tuple[int, int]] = []

    def free(match: re.Match[str]) -> bool:
        return not any(start < match.end() and match.start() < end for start, end in taken)

    for kind, pattern, decode in _KINDS:
        for match in filter(free, pattern.finditer(text)):
            plain = decode(match.group())
            if plain is not None and plain != match.group():
                taken.append(match.span())
                yield Blob(kind, match.group(), _deeper(plain, depth - 1) if depth else None)
    for pattern, opaque in ((_BASE64, _looks_random), (_HEX, _opaque_hex)):
        for match in filter(free, pattern.finditer(text)):
            if opaque(match.group()):
                yield Blob("unreadable", match.group(), None)


def _deeper(plain: str, depth: int) -> str | None:
    """Decode what is still encoded inside. None: something inside is unreadable, too much or nested too deeply."""
    inner = list(islice(_scan(plain, depth), MAX_BLOBS))
    if len(inner) == MAX_BLOBS:
        return None
    for blob in inner:
        if blob.plain is None:
            return None
        plain = plain.replace(blob.encoded, blob.plain)
    return plain


def _looks_random(run: str) -> bool:
    """Whether a run of 32 or more characters changes between lower case, upper case and digit as random text does."""
    letters = re.sub(r"[+/_=-]", "", run)
    kinds = ["d" if c.isdigit() else "u" if c.isupper() else "l" for c in letters]
    if len(kinds) < 32 or len(set(kinds)) < 3 or kinds.count("d") < 0.06 * len(kinds):
        return False
    changes = sum(a != b for a, b in pairwise(kinds))
    return bool(changes >= 0.45 * len(kinds))  # random base64: 0.6, of which 0.16 are digits


def _opaque_hex(run: str) -> bool:
    bare = re.sub(r"[ :]|^0x", "", run)
    return len(bare) >= 48 and len(bare) not in _DIGESTS and not bare.isdigit()
