"""A web address that every program reads alike, or an error."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import SplitResult, quote, urlsplit

from so8t.tools.web.errors import UnreadableUrl

PORTS = {"http": 80, "https": 443}
MAX_LENGTH = 4_000
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9])?"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_NUMERIC = re.compile(r"(?:0x[0-9a-f]*|[0-9]+)")  # a last label like this makes some programs read an IPv4 address


@dataclass(frozen=True, slots=True)
class Url:
    """`host` is lower-case ASCII (punycode), an IPv6 address without brackets; `target` is path and query."""

    scheme: str
    host: str
    port: int
    target: str

    @property
    def authority(self) -> str:
        """Host and port as the Host header says them."""
        name = f"[{self.host}]" if ":" in self.host else self.host
        return name if self.port == PORTS[self.scheme] else f"{name}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.target}"


def parse(text: str) -> Url:
    """Read an address; without a scheme, https is meant. Raises UnreadableUrl."""
    if len(text) > MAX_LENGTH:
        raise UnreadableUrl(f"the address is longer than {MAX_LENGTH} characters")
    if "\\" in text or any(c.isspace() or unicodedata.category(c) in ("Cc", "Cf", "Cs") for c in text):
        raise UnreadableUrl(f"{text!r} holds a space, a backslash or an invisible character")
    try:
        split = urlsplit(text if _SCHEME.match(text) else f"https://{text}")
        port = split.port
    except ValueError as error:
        raise UnreadableUrl(f"{text!r} is no web address: {error}") from None
    if split.scheme not in PORTS:
        raise UnreadableUrl(f"{text!r}: only http and https are fetched")
    if "@" in split.netloc:
        raise UnreadableUrl(f"{text!r} holds a user name: write the host alone")
    if port == 0 or split.netloc.endswith(":"):
        raise UnreadableUrl(f"{text!r} has no valid port")
    return Url(split.scheme, host(split.hostname or ""), port or PORTS[split.scheme], _target(split))


def host(name: str) -> str:
    """The host in its one spelling: lower-case ASCII. Raises UnreadableUrl for odd spellings (0x7f.1, ①.①, a.b.)."""
    if ":" in name:
        return _address(name)
    lower = name.lower()
    if not lower.isascii():
        lower = _punycode(lower)
    if len(lower) > 253 or not _NAME.fullmatch(lower):
        raise UnreadableUrl(f"{name!r} is no host name")
    return _address(lower) if _NUMERIC.fullmatch(lower.rpartition(".")[2]) else lower


def _punycode(name: str) -> str:
    import idna  # httpx brings it; loaded only for names beyond ASCII

    if unicodedata.normalize("NFKC", name) != name or "。" in name:  # the ideographic full stop counts as a dot
        raise UnreadableUrl(f"{name!r} is written with look-alike characters")
    try:
        return idna.encode(name).decode("ascii")
    except idna.IDNAError as error:
        raise UnreadableUrl(f"{name!r} is no host name: {error}") from None


def _address(text: str) -> str:
    try:
        address = ip_address(text)
    except ValueError:
        raise UnreadableUrl(f"{text!r} is no host name and no plainly written address") from None
    if "%" in text or (address.version == 4 and str(address) != text):
        raise UnreadableUrl(f"{text!r} is an unusual spelling of an address")
    return str(address)


def _target(split: SplitResult) -> str:
    safe = "%/:?#[]@!$&'()*+,;=~-._"
    return quote(split.path or "/", safe=safe) + (f"?{quote(split.query, safe=safe)}" if split.query else "")
