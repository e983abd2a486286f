"""The body of an answer: bounded on the wire, bounded after decompression, text or an error."""

from __future__ import annotations

import codecs
import re
import zlib
from collections.abc import AsyncIterator

from so8t.tools.web.errors import FetchFailed, NotText, TooLarge

MAX_WIRE = 2_000_000  # bytes
MAX_TEXT = 5_000_000  # bytes after decompression
_TEXT = re.compile(
    r"text/.*|application/(?:.*\+)?(?:json|xml|javascript|ecmascript|x-ndjson|yaml|toml|x-www-form-urlencoded)"
)
_META = re.compile(rb"""<meta[^>]{0,100}charset\s*=\s*["']?([A-Za-z0-9_.:-]{1,40})""", re.IGNORECASE)


def check_type(content_type: str) -> None:
    """Raises NotText for a media type that is no text. Without a type, the bytes decide later."""
    media = content_type.partition(";")[0].strip().lower()
    if media and not _TEXT.fullmatch(media):
        raise NotText(f"the answer is {media}, not text")


async def read(chunks: AsyncIterator[bytes], encoding: str) -> bytes:
    """The whole body, decompressed. Raises TooLarge, FetchFailed."""
    unpack = _unpacker(encoding)
    wire, body = 0, bytearray()
    async for chunk in chunks:
        wire += len(chunk)
        if wire > MAX_WIRE:
            raise TooLarge(f"the answer is larger than {MAX_WIRE:,} bytes")
        body += _unpack(unpack, chunk, MAX_TEXT - len(body)) if unpack else chunk
        if len(body) > MAX_TEXT:
            raise TooLarge(f"the answer is larger than {MAX_TEXT:,} bytes once decompressed")
    if unpack and wire and not unpack.eof:
        raise FetchFailed("the answer broke off in the middle")
    return bytes(body)


def decode(body: bytes, content_type: str) -> str:
    """The text. Raises NotText."""
    if b"\0" in body[:8192] and not body.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise NotText("the answer is binary, not text")
    named = re.search(r"charset\s*=\s*\"?([^\s;\"]+)", content_type, re.IGNORECASE)
    meta = None if named else _META.search(body[:2048])
    charset = named[1] if named else meta[1].decode() if meta else "utf-8-sig"
    try:
        return body.decode("utf-8-sig" if charset.lower() in ("utf-8", "utf8") else charset, "replace")
    except LookupError:
        return body.decode("utf-8", "replace")


def _unpacker(encoding: str) -> zlib._Decompress | None:
    match encoding.strip().lower():
        case "" | "identity":
            return None
        case "gzip" | "x-gzip" | "deflate":
            return zlib.decompressobj(zlib.MAX_WBITS | 32)  # 32: gzip or zlib header, whichever is there
    raise FetchFailed(f"the answer is encoded as {encoding!r}, which was not asked for")


def _unpack(unpack: zlib._Decompress, chunk: bytes, room: int) -> bytes:
    """At most `room` + 1 bytes: enough to see that there is too much."""
    try:
        return unpack.decompress(unpack.unconsumed_tail + chunk, room + 1)
    except zlib.error as error:
        raise FetchFailed(f"the answer cannot be decompressed: {error}") from None
