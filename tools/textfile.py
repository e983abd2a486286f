"""Text from the bytes of a file: UTF-8 first, then what Japanese and Western files of old are written in."""

from __future__ import annotations

import codecs
import io
import re
from dataclasses import dataclass

from so8t.tools.errors import ToolError

MAX_FILE = 32_000_000  # bytes
_KANA = re.compile("[\u3041-\u30ff]")  # Japanese text has kana; Western text misread as Japanese has none
_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


class NotText(ToolError):
    """The file is binary or too large to be read as text."""


@dataclass(frozen=True, slots=True)
class Text:
    """`encoding` is the Python name of what the bytes were read as."""

    content: str
    encoding: str


def lines(content: str) -> list[str]:
    """Lines with their ends, as editors count them (str.splitlines also splits at form feeds and the like)."""
    return list(io.StringIO(content, newline=""))


def is_binary(data: bytes) -> bool:
    """Whether the bytes look like no text at all."""
    return b"\0" in data[:8192] and not data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))


def decode(data: bytes, path: str) -> Text:
    """Raises NotText."""
    if len(data) > MAX_FILE:
        raise NotText(f"{path!r} is larger than {MAX_FILE:,} bytes")
    if is_binary(data):
        raise NotText(f"{path!r} is binary, not text")
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            return Text(data.decode(encoding, "replace"), encoding)
    shifted = ("iso2022_jp",) if b"\x1b$" in data else ()  # seven-bit: it would pass for UTF-8
    for encoding in (*shifted, "utf-8", "euc_jp", "cp932"):
        try:
            content = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if encoding == "utf-8" or _KANA.search(content):
            return Text(content, encoding)
    return Text(data.decode("cp1252", "replace"), "cp1252")
