"""Attacks through http_get: odd spellings, private and metadata addresses, rebinding, redirects, bombs."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from so8t.tools import ToolError
from so8t.tools.web import (
    FetchFailed,
    ForbiddenAddress,
    HostNotAllowed,
    Hosts,
    TooLarge,
    UnreadableUrl,
    WebError,
    addresses,
    fetch,
)
from so8t.tools.web.hosts import Resolver

NOT_PUBLIC = [
    "127.0.0.1",
    "127.8.8.8",
    "0.0.0.0",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "169.254.169.254",
    "168.63.129.16",
    "192.0.0.192",
    "192.88.99.1",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "100.100.100.200",
    "::",
    "::1",
    "fe80::1",
    "fe80::1%eth0",
    "fc00::1",
    "fd00:ec2::254",
    "fec0::1",
    "ff02::1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:10.0.0.1",
    "::127.0.0.1",
    "::a9fe:a9fe",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b::7f00:1",
    "64:ff9b::a00:1",
    "64:ff9b:1::1",
    "2002:a9fe:a9fe::1",
    "2002:7f00:1::",
    "2002:a00:1::1",
    "2001:0:a9fe:a9fe::1",
    "2001:db8::1",
    "3fff::1",
    "5f00::1",
    "no address",
    "",
]
METADATA = ["169.254.169.254", "168.63.129.16", "192.0.0.192", "100.100.100.200", "fe80::1", "fd00:ec2::254"]
METADATA += ["::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1", "0.0.0.0", "::", "224.0.0.1"]


def resolver(*answers: list[str]) -> tuple[list[str], Resolver]:
    asked: list[str] = []

    async def resolve(name: str, port: int) -> list[str]:
        asked.append(name)
        return answers[min(len(asked), len(answers)) - 1]

    return asked, resolve


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_names_that_lead_to_addresses_that_are_not_public_are_refused(address: str) -> None:
    for found in ([address], ["93.184.216.34", address], [address, "93.184.216.34"]):
        _, resolve = resolver(found)
        with pytest.raises(ForbiddenAddress):
            asyncio.run(fetch("https://ordinary.example.com/", Hosts(["*"], resolver=resolve)))


@pytest.mark.parametrize("address", METADATA)
def test_metadata_addresses_are_refused_even_where_private_ones_are_allowed(address: str) -> None:
    _, resolve = resolver([address])
    with pytest.raises(ForbiddenAddress):
        asyncio.run(fetch("http://ordinary.example.com/", Hosts(["*"], private=True, resolver=resolve)))


@pytest.mark.parametrize("address", ["93.184.216.34", "8.8.8.8", "2606:4700:4700::1111", "64:ff9b::808:808"])
def test_public_addresses_pass(address: str) -> None:
    assert addresses.problem(address) is None


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_is_judged_alike_however_it_is_wrapped(address: object) -> None:
    number = int(address)  # type: ignore[call-overload]  # hypothesis gives an IPv4Address
    high, low = number >> 16, number & 0xFFFF
    bare = addresses.problem(str(address))
    for wrapped in (f"::ffff:{address}", f"64:ff9b::{high:x}:{low:x}", f"2002:{high:x}:{low:x}::1"):
        if bare is not None:
            assert addresses.problem(wrapped) is not None


@pytest.mark.parametrize(
    "url",
    [
        "http://2130706433/",
        "http://0x7f000001/",
        "http://0x7f.1/",
        "http://127.1/",
        "http://0177.0.0.1/",
        "http://127.0.0.01/",
        "http://127.0.0.1./",
        "http://①②⑦.⓪.⓪.①/",
        "http://１２７.0.0.1/",
        "http://127。0。0。1/",
        "http://127.0.0.1%00.example.com/",
        "http://example.com./",
        "http://example..com/",
        "http://.example.com/",
        "http://user@example.com/",
        "http://example.com@127.0.0.1/",
        "http://example.com:80@127.0.0.1/",
        "http://:password@example.com/",
        "http://example.com\\@127.0.0.1/",
        "http:\\\\127.0.0.1/",
        "http://exam\nple.com/",
        "http://example.com/\r\nHost: evil",
        "http://exam\u200bple.com/",
        "http://example.com /",
        " http://example.com",
        "http://ｅxample.com/",
        "http://exam%70le.com/",
        "http://[::1%25eth0]/",
        "http://[::1",
        "http://[127.0.0.1]/",
        "http://example.com:0/",
        "http://example.com:/",
        "http://example.com:99999/",
        "http://example.com:８０/",
        "http://",
        "https:///path",
        "",
        "file:///etc/passwd",
        "ftp://example.com/",
        "gopher://example.com/",
        "javascript://example.com/",
        "http+unix://socket/",
        "//127.0.0.1/",
        "http://a" + ".a" * 200 + ".com/",
        "http://example.com/" + "a" * 5000,
    ],
)
def test_odd_spellings_are_refused_before_any_name_is_looked_up(url: str) -> None:
    asked, resolve = resolver(["127.0.0.1"])
    with pytest.raises(UnreadableUrl):
        asyncio.run(fetch(url, Hosts(["*", "*:8080"], private=True, resolver=resolve)))
    assert asked == []


@given(st.text("htp:/@[]%.0123456789abcx①。\\ \n#?-", max_size=30))
def test_any_text_is_refused_or_resolved_but_never_crashes(text: str) -> None:
    _, resolve = resolver(["127.0.0.1"])
    with pytest.raises(ToolError):
        asyncio.run(fetch(text, Hosts(["*"], resolver=resolve)))


def test_a_name_is_looked_up_once_and_that_address_is_used() -> None:
    """DNS rebinding: a second lookup would lead elsewhere, so there is none."""

    async def scenario() -> tuple[str, list[str]]:
        asked, resolve = resolver(["127.0.0.1"], ["169.254.169.254"])
        async with serving([page(b"the checked server")]) as port:
            found = await fetch(f"http://rebind.test:{port}/", Hosts([f"rebind.test:{port}"], True, resolve))
        return found.text, asked

    assert asyncio.run(scenario()) == ("the checked server", ["rebind.test"])


@pytest.mark.parametrize(
    ("location", "error"),
    [
        ("http://169.254.169.254/latest/meta-data/", HostNotAllowed),
        ("http://evil.test/", HostNotAllowed),
        ("//evil.test/", HostNotAllowed),
        ("http://0x7f.1/", UnreadableUrl),
        ("http://user@evil.test/", UnreadableUrl),
        ("file:///etc/passwd", UnreadableUrl),
        ("gopher://x/", UnreadableUrl),
    ],
)
def test_a_redirect_to_what_is_not_allowed_is_not_followed(location: str, error: type[WebError]) -> None:
    async def scenario() -> None:
        _, resolve = resolver(["127.0.0.1"])
        async with serving([page(status="302 Found", extra=f"Location: {location}\r\n")]) as port:
            await fetch(f"http://good.test:{port}/", Hosts([f"good.test:{port}"], True, resolve))

    with pytest.raises(error):
        asyncio.run(scenario())


def test_a_redirect_to_an_allowed_name_is_resolved_and_checked_again() -> None:
    async def scenario() -> None:
        _, resolve = resolver(["127.0.0.1"], ["169.254.169.254"])
        async with serving([page(status="302 Found", extra="Location: /again\r\n")]) as port:
            await fetch(f"http://good.test:{port}/", Hosts([f"good.test:{port}"], True, resolve))

    with pytest.raises(ForbiddenAddress):
        asyncio.run(scenario())


@pytest.mark.parametrize("wrap", ["gzip", "deflate"])
def test_a_decompression_bomb_is_stopped(wrap: str) -> None:
    bomb = gzip.compress(bytes(200_000_000)) if wrap == "gzip" else zlib.compress(bytes(200_000_000))
    assert len(bomb) < 300_000
    with pytest.raises(TooLarge, match="once decompressed"):
        get([page(bomb, extra=f"Content-Encoding: {wrap}\r\n")])


def test_a_bomb_in_two_layers_is_refused() -> None:
    with pytest.raises(FetchFailed, match="not asked for"):
        get([page(gzip.compress(gzip.compress(b"x")), extra="Content-Encoding: gzip, gzip\r\n")])


def test_an_endless_answer_is_stopped() -> None:
    with pytest.raises(TooLarge, match="larger than"):
        get([b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n", *[b"x" * 100_000] * 100])


def test_endless_headers_are_stopped() -> None:
    with pytest.raises(WebError):
        get([b"HTTP/1.1 200 OK\r\n", *[b"X-Header: " + b"x" * 50_000 + b"\r\n"] * 100])


def page(body: bytes = b"", status: str = "200 OK", extra: str = "") -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\n{extra}\r\n"
    return head.encode() + body


def get(pieces: list[bytes]) -> str:
    async def scenario() -> str:
        _, resolve = resolver(["127.0.0.1"])
        async with serving(pieces) as port:
            return (await fetch(f"http://evil.test:{port}/", Hosts([f"evil.test:{port}"], True, resolve))).text

    return asyncio.run(scenario())


@asynccontextmanager
async def serving(pieces: Iterable[bytes]) -> AsyncIterator[int]:
    """A server on this machine that sends the pieces to whoever connects; gives its port."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
            writer.close()
            await writer.wait_closed()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
