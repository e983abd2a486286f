"""The hosts that tools may reach, as the operator lists them."""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import ClassVar

from so8t.tools.threads import in_thread
from so8t.tools.web import addresses
from so8t.tools.web.errors import FetchFailed, ForbiddenAddress, HostNotAllowed, InvalidHosts, UnreadableUrl
from so8t.tools.web.url import PORTS, Url, host

_ENTRY = re.compile(r"(?:(?P<any>\*)|(?P<below>\*\.)?(?P<name>\[[^\]]+\]|[^:\[\]*]+))(?::(?P<port>[0-9]{1,5}))?")

Resolver = Callable[[str, int], Awaitable[list[str]]]


async def system_resolver(name: str, port: int) -> list[str]:
    """All addresses of a host. Raises OSError."""
    found = await in_thread(lambda: socket.getaddrinfo(name, port, type=socket.SOCK_STREAM), "so8t-resolver")
    return list(dict.fromkeys(str(item[4][0]) for item in found))


@dataclass(frozen=True, slots=True)
class _Entry:
    name: str  # of a host; with `below`: of the domain whose hosts are meant; "" is every host
    below: bool
    port: int | None  # None: 80 for http and 443 for https

    def fits(self, url: Url) -> bool:
        named = url.host.endswith(f".{self.name}") or not self.name if self.below else url.host == self.name
        return named and url.port == (self.port or PORTS[url.scheme])


class Hosts:
    """`allowed` holds `example.com`, `*.example.com` (hosts below it) or `*` (every host), with or without `:port`.

    `private` also admits private and loopback addresses for them; metadata addresses are never reached.
    `resolver` looks a name up; `tls` replaces the usual certificates (a company's own authority, say).
    """

    __so8t_resource__: ClassVar[bool] = True

    def __init__(
        self,
        allowed: Iterable[str],
        private: bool = False,
        resolver: Resolver = system_resolver,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Raises InvalidHosts."""
        self._entries = tuple(map(_entry, [allowed] if isinstance(allowed, str) else allowed))
        if not self._entries:
            raise InvalidHosts("no host is allowed: name at least one, or leave http_get off")
        self._private = private
        self._resolver = resolver
        self.tls = tls

    def check(self, url: Url) -> None:
        """Raises HostNotAllowed."""
        if not any(entry.fits(url) for entry in self._entries):
            names = ", ".join(map(_shown, self._entries))
            raise HostNotAllowed(f"{url.authority} is not an allowed host; allowed: {names}")

    async def resolve(self, url: Url, seconds: float) -> list[str]:
        """The addresses to connect to, each of them checked. Raises HostNotAllowed, ForbiddenAddress, FetchFailed."""
        self.check(url)
        try:
            async with asyncio.timeout(seconds):
                found = await self._resolver(url.host, url.port)
        except (OSError, UnicodeError):  # TimeoutError is an OSError
            raise FetchFailed(f"the host {url.host} is not known (no address found)") from None
        if not found:
            raise FetchFailed(f"the host {url.host} has no address")
        for address in found:
            if reason := addresses.problem(address, self._private):
                raise ForbiddenAddress(f"{url.host} leads to {address}, which {reason}")
        return found


def _entry(text: str) -> _Entry:
    match = _ENTRY.fullmatch(text.strip())
    if not match or not 0 < int(match["port"] or 80) < 65536:
        raise InvalidHosts(f"{text!r} is no host: write example.com, *.example.com or *, with or without :port")
    try:
        name = "" if match["any"] else host(match["name"].strip("[]"))
    except UnreadableUrl as error:
        raise InvalidHosts(f"allowed host {text!r}: {error}") from None
    return _Entry(name, bool(match["any"] or match["below"]), int(match["port"]) if match["port"] else None)


def _shown(entry: _Entry) -> str:
    name = ("*." if entry.below and entry.name else "*" if entry.below else "") + entry.name
    return f"{name}:{entry.port}" if entry.port else name
