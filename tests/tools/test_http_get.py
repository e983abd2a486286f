"""http_get against a real server on this machine: hosts, bodies, redirects, certificates."""

from __future__ import annotations

import asyncio
import gzip
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from so8t.tools import Executor, Toolbox
from so8t.tools.web import FetchFailed, HostNotAllowed, Hosts, InvalidHosts, NotText, Page, WebError, fetch


@dataclass
class Server:
    port: int
    heads: list[str]  # of the requests

    @property
    def url(self) -> str:
        return f"http://files.test:{self.port}"


@asynccontextmanager
async def serving(answer: Callable[[str], bytes], tls: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    heads: list[str] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
            writer.write(answer(heads[-1].split(" ")[1]))
            await writer.drain()
            writer.close()
            await writer.wait_closed()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=tls)
    async with server:
        yield Server(server.sockets[0].getsockname()[1], heads)


def answer(body: bytes = b"", status: str = "200 OK", kind: str = "text/plain", **headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Type: {kind}", f"Content-Length: {len(body)}", "Connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


async def here(name: str, port: int) -> list[str]:
    return ["127.0.0.1"]


def get(reply: Callable[[str], bytes], path: str = "/") -> tuple[Page, Server]:
    async def scenario() -> tuple[Page, Server]:
        async with serving(reply) as server:
            hosts = Hosts([f"files.test:{server.port}"], private=True, resolver=here)
            return await fetch(server.url + path, hosts), server

    return asyncio.run(scenario())


def test_a_page_comes_as_text() -> None:
    page, server = get(
        lambda path: answer("日本".encode(), kind="text/html; charset=utf-8"), "/a?b=c d".replace(" ", "%20")
    )
    assert (page.status, page.text) == (200, "日本")
    assert page.url == f"http://files.test:{server.port}/a?b=c%20d"


def test_the_server_is_told_the_name_and_no_cookies() -> None:
    _, server = get(lambda path: answer(b"x"))
    lines = server.heads[0].lower().splitlines()
    assert f"host: files.test:{server.port}" in lines
    assert not [line for line in lines if line.startswith(("cookie", "authorization", "referer"))]


def test_an_error_page_is_shown_with_its_status() -> None:
    page, _ = get(lambda path: answer(b"gone", "404 Not Found"))
    assert (page.status, page.text) == (404, "gone")


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("日本語".encode("shift_jis"), "text/html; charset=Shift_JIS"),
        ("日本語".encode("euc_jp"), 'text/plain; charset="euc-jp"'),
        ('<meta charset="shift_jis">日本語'.encode("shift_jis"), "text/html"),
        ("日本語".encode("utf-8-sig"), "text/plain"),
        ('{"a": "日本語"}'.encode(), "application/json"),
        ("<a>日本語</a>".encode(), "application/atom+xml"),
        ("日本語".encode(), "text/plain; charset=nonsense"),
        ("日本語".encode(), "text/plain; charset=base64"),
        ("日本語".encode(), ""),
    ],
)
def test_text_is_decoded(body: bytes, kind: str) -> None:
    page, _ = get(lambda path: answer(body, kind=kind))
    assert "日本語" in page.text
    assert "\ufeff" not in page.text


@pytest.mark.parametrize(
    ("body", "kind"), [(b"x", "image/png"), (b"x", "application/octet-stream"), (b"a\0b", "text/plain"), (b"\0", "")]
)
def test_what_is_no_text_is_an_error(body: bytes, kind: str) -> None:
    with pytest.raises(NotText):
        get(lambda path: answer(body, kind=kind))


def test_compressed_pages_are_unpacked() -> None:
    page, _ = get(lambda path: answer(gzip.compress(b"hello"), Content_Encoding="gzip"))
    assert page.text == "hello"


def test_redirects_within_the_allowed_hosts_are_followed() -> None:
    page, _ = get(lambda path: answer(b"here") if path == "/b" else answer(status="302 Found", Location="b"), "/a")
    assert page.text == "here"
    assert page.url.endswith("/b")


def test_cookies_are_not_carried_from_hop_to_hop() -> None:
    def reply(path: str) -> bytes:
        return answer(b"x") if path == "/b" else answer(status="302 Found", Location="/b", Set_Cookie="a=b")

    _, server = get(reply, "/a")
    assert "cookie" not in server.heads[1].lower()


def test_endless_redirects_end() -> None:
    with pytest.raises(FetchFailed, match="more than 5 redirects"):
        get(lambda path: answer(status="302 Found", Location=path + "x"), "/a")


def test_proxies_of_the_environment_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert get(lambda path: answer(b"direct"))[0].text == "direct"


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 10\r\n\r\nshort",
        answer(b"no gzip", Content_Encoding="gzip"),
        answer(gzip.compress(b"hello" * 99)[:-9], Content_Encoding="gzip"),
        answer(b"x", Content_Encoding="br"),
        answer(status="302 Found", Location="http://[bad"),
        answer(b"", "999 ?")[:12],
    ],
)
def test_broken_answers_are_clear_errors(broken: bytes) -> None:
    with pytest.raises(WebError) as caught:
        get(lambda path: broken)
    assert "\n" not in str(caught.value)


def test_a_server_that_is_not_there_is_an_error() -> None:
    with pytest.raises(FetchFailed, match=r"cannot connect to files\.test:1"):
        asyncio.run(fetch("http://files.test:1/", Hosts(["files.test:1"], private=True, resolver=here)))


def test_the_next_address_is_tried() -> None:
    async def two(name: str, port: int) -> list[str]:
        return ["127.0.0.2", "127.0.0.1"]

    async def scenario() -> str:
        async with serving(lambda path: answer(b"x")) as server:
            return (await fetch(server.url, Hosts([f"files.test:{server.port}"], private=True, resolver=two))).text

    assert asyncio.run(scenario()) == "x"


def test_an_unknown_host_is_an_error() -> None:
    async def nowhere(name: str, port: int) -> list[str]:
        raise OSError("no such name")

    async def nothing(name: str, port: int) -> list[str]:
        return []

    for resolver in (nowhere, nothing):
        with pytest.raises(FetchFailed, match=r"files\.test"):
            asyncio.run(fetch("https://files.test", Hosts(["files.test"], resolver=resolver)))


def test_a_server_that_never_answers_is_given_up() -> None:
    async def scenario() -> None:
        async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()  # until the client hangs up
            writer.close()
            closed.set()

        closed = asyncio.Event()
        async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            hosts = Hosts([f"files.test:{port}"], private=True, resolver=here)
            with pytest.raises(FetchFailed):
                await fetch(f"http://files.test:{port}/", hosts, seconds=0.2)
            await closed.wait()

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("allowed", "url", "fits"),
    [
        ("example.com", "https://example.com/x", True),
        ("example.com", "http://EXAMPLE.com", True),
        ("example.com", "example.com", True),
        ("example.com", "example.com/?next=http://other.com", True),
        ("example.com", "https://sub.example.com", False),
        ("example.com", "https://example.com:8443", False),
        ("example.com", "https://notexample.com", False),
        ("example.com", "https://example.com.evil.net", False),
        ("example.com:8443", "https://example.com:8443", True),
        ("example.com:8443", "https://example.com", False),
        ("*.example.com", "https://a.b.example.com", True),
        ("*.example.com", "https://example.com", False),
        ("*.example.com", "https://evilexample.com", False),
        ("*", "https://anything.net", True),
        ("*", "https://anything.net:8443", False),
        ("*:8443", "https://anything.net:8443", True),
        ("例え.jp", "https://例え.jp/あ?い=う", True),
        ("例え.jp", "https://xn--r8jz45g.jp", True),
        ("[2606:4700::1111]", "https://[2606:4700:0::1111]/", True),
    ],
)
def test_the_list_of_hosts_decides(allowed: str, url: str, fits: bool) -> None:
    asked: list[str] = []

    async def record(name: str, port: int) -> list[str]:
        asked.append(name)
        raise OSError

    with pytest.raises(FetchFailed if fits else HostNotAllowed):
        asyncio.run(fetch(url, Hosts([allowed], resolver=record)))
    assert bool(asked) == fits


@pytest.mark.parametrize("entry", ["", " ", "*.", "**", "a.*.com", "http://a.com", "a.com/x", "a.com:0", "a.com:99999"])
def test_a_list_with_something_that_is_no_host_is_an_error(entry: str) -> None:
    with pytest.raises(InvalidHosts):
        Hosts([entry])


def test_an_empty_list_is_an_error_and_the_tool_is_not_offered() -> None:
    with pytest.raises(InvalidHosts, match="leave http_get off"):
        Hosts([])
    box = Toolbox.load(entry_points=False)
    assert "http_get" not in box.usable_with([])
    assert "http_get" in box.usable_with([Hosts(["example.com"])])


def test_the_tool_shows_status_type_and_text() -> None:
    async def scenario() -> str:
        async with serving(lambda path: answer(b"hello", kind="text/plain; charset=ascii")) as server:
            hosts = Hosts([f"127.0.0.1:{server.port}"], private=True)
            box = Toolbox.load(entry_points=False).usable_with([hosts])
            assert Executor(box, [hosts])
            return str(await box.get("http_get").function(hosts=hosts, url=f"http://127.0.0.1:{server.port}/x"))

    output = asyncio.run(scenario())
    assert output.startswith("http://127.0.0.1:")
    assert output.endswith("/x answered 200 (text/plain)\n\nhello")


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the openssl program to make a certificate")
@pytest.mark.parametrize(("name", "trusted"), [("files.test", True), ("other.test", False)])
def test_the_certificate_must_be_for_the_name_not_the_address(tmp_path: Path, name: str, trusted: bool) -> None:
    subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "2",
            "-subj",
            f"/CN={name}",
            "-addext",
            f"subjectAltName=DNS:{name}",
            "-keyout",
            tmp_path / "key.pem",
            "-out",
            tmp_path / "cert.pem",
        ],
        check=True,
        capture_output=True,
    )
    asked: list[str | None] = []
    server_tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_tls.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    server_tls.sni_callback = lambda _socket, asked_name, _context: asked.append(asked_name)
    client_tls = ssl.create_default_context(cafile=str(tmp_path / "cert.pem"))

    async def scenario() -> str:
        async with serving(lambda path: answer(b"safe"), server_tls) as server:
            hosts = Hosts([f"files.test:{server.port}"], private=True, resolver=here, tls=client_tls)
            return (await fetch(f"https://files.test:{server.port}/", hosts)).text

    if trusted:
        assert asyncio.run(scenario()) == "safe"
    else:
        with pytest.raises(FetchFailed, match="certificate"):
            asyncio.run(scenario())
    assert asked == ["files.test"]
