"""One function for each encoding: what a run of text says, or None where it is not that encoding of readable text."""

from __future__ import annotations

import base64
import binascii
import codecs
import html
from urllib.parse import unquote

import regex

_PERCENT_PLAIN = regex.compile(r"%(?:[46][1-9A-Fa-f]|[57][0-9Aa]|3[0-9])")  # of letters and digits, which never need it
_ESCAPE = regex.compile(r"\\x([0-9A-Fa-f]{2})|\\u([0-9A-Fa-f]{4})")
_WORD = regex.compile(r"[a-z]+")
_LETTER = regex.compile(r"[\p{L}\s]")
_LETTER_OR_DIGIT = regex.compile(r"[\p{L}\p{N}\s]")
_CONTROL = regex.compile(r"[^\P{C}\t\n\r]")
_JAPANESE = regex.compile(r"[\p{sc=Han}\p{sc=Hira}\p{sc=Kana}ー]")
_OTHERS = tuple(regex.compile(rf"\p{{sc={name}}}") for name in ("Cyrillic", "Arabic", "Hangul", "Greek", "Hebrew"))

# Words that tell English and shell text from its rot13.
_COMMON = frozenset(
    _WORD.findall(
        "and the to of in is for on with this that from you all are it as at by not now me my your please ignore "
        "delete remove send file files password passwords secret token key instructions previous rm rf sudo curl wget "
        "bash sh cat chmod http https com etc transfer account disable approve"
    )
)


def from_hex(text: str) -> str | None:
    """Bytes as pairs of hex digits. Digits alone are card, phone and account numbers."""
    digits = regex.sub(r"[ :]|^0x", "", text)
    if digits.isdigit() and len(digits) < 32:
        return None
    return _readable(bytes.fromhex(digits))


def from_base64(text: str) -> str | None:
    """Both alphabets, with or without padding; a few characters stuck before it do not hide it."""
    body = regex.sub(r"[\s=]", "", text).replace("-", "+").replace("_", "/")
    for start in range(4 if len(body) >= 24 else 1):
        piece = body[start:]
        piece = piece[: len(piece) - 1] if len(piece) % 4 == 1 else piece
        try:
            plain = _readable(base64.b64decode(piece + "=" * (-len(piece) % 4), validate=True))
        except (binascii.Error, ValueError):
            plain = None
        if plain is not None:
            return plain
    return None


def from_base32(text: str) -> str | None:
    """RFC 4648, section 6."""
    body = text.rstrip("=")
    try:
        return _readable(base64.b32decode(body + "=" * (-len(body) % 8)))
    except (binascii.Error, ValueError):
        return None


def from_percent(text: str) -> str | None:
    """Percent signs are ordinary in addresses; letters that need none, and signs for signs, hide something."""
    hidden = len(_PERCENT_PLAIN.findall(text)) >= 3 or "%25" in text
    return unquote(text, errors="replace") if hidden else None


def from_address(text: str) -> str | None:
    """An address with letters of other alphabets: nothing is hidden, but it must be readable."""
    plain = unquote(text, errors="replace")
    return None if plain.isascii() or "\ufffd" in plain else plain


def from_escapes(text: str) -> str | None:
    """\\xNN and \\uNNNN of programming languages, &#NN; of HTML."""

    def one(match: regex.Match[str]) -> str:
        code = int(match.group(1) or match.group(2), 16)
        return "\ufffd" if 0xD800 <= code <= 0xDFFF else chr(code)

    return html.unescape(_ESCAPE.sub(one, text))


def from_rot13(text: str) -> str | None:
    """Plausible where common words appear and none were there before."""
    turned = codecs.encode(text, "rot13")
    words = _WORD.findall(turned.lower())
    hits = len(_COMMON.intersection(words))
    now = sum(word in _COMMON for word in _WORD.findall(text.lower()))
    return turned if hits >= 2 and now == 0 and hits >= 0.2 * len(words) else None


def _readable(data: bytes) -> str | None:
    """The bytes as text, where they are text beyond doubt."""
    try:
        text = data.decode("utf-16-le" if data[1::2].count(0) == len(data) // 2 else "utf-8")
    except UnicodeDecodeError:
        return None
    expected = _LETTER if len(data) < 16 else _LETTER_OR_DIGIT  # a few bytes are printable by chance; many are not
    enough = len(expected.findall(text)) >= 0.4 * len(text) and len(set(text)) >= 4
    odd = len(_CONTROL.findall(text))  # a few do not make it unreadable: the text is then judged with them
    return text if enough and odd <= len(text) // 6 * (len(data) >= 16) and _one_script(text) else None


def _one_script(text: str) -> bool:
    """Random bytes that happen to decode are a jumble of alphabets; a text is mostly one, or Japanese."""
    letters = regex.findall(r"\p{L}", text)
    counts = [sum(c.isascii() for c in letters), *(len(p.findall(text)) for p in (_JAPANESE, *_OTHERS))]
    return bool(max(counts) >= 0.6 * len(letters))
