"""Which hosts a call names, the way the network spells them: look-alike letters show in punycode (RFC 3492)."""

from __future__ import annotations

import re

_HOST = re.compile(r"""(?://|@)([^\s"'\\/?#<>(){},;|]+)""")


def hosts(text: str) -> dict[str, str]:
    """What stands for a host in each URL and mail address of the text -> the host that it leads to."""
    return {match[1]: _spelled(match[1].rpartition("@")[2]) for match in _HOST.finditer(text)}


def _spelled(host: str) -> str:
    if host.isascii():
        return host
    name, colon, port = host.partition(":")
    try:
        return name.encode("idna").decode("ascii") + colon + port
    except UnicodeError:
        return "no valid host name"
