"""GET of one web address, with every hop checked. The connection goes to exactly the address that was checked."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urljoin

from so8t.tools.web import body
from so8t.tools.web.errors import FetchFailed, UnreadableUrl
from so8t.tools.web.hosts import Hosts
from so8t.tools.web.url import Url, parse

if TYPE_CHECKING:
    import httpx

MAX_HOPS = 5
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_HEADERS = {"User-Agent": "so8t", "Accept": "text/*, application/json;q=0.9, */*;q=0.1", "Accept-Encoding": "gzip"}


@dataclass(frozen=True, slots=True)
class Page:
    """What came back."""

    url: str  # after redirects
    status: int
    content_type: str
    text: str


async def fetch(address: str, hosts: Hosts, seconds: float = 25.0) -> Page:
    """Fetch a text page within that many `seconds`. No cookies, no proxy, no settings from the environment.

    Raises:
        WebError: the class says why.
    """
    deadline = time.monotonic() + seconds
    url = parse(address)
    try:
        async with asyncio.timeout(seconds):
            for _ in range(MAX_HOPS + 1):
                found = await _hop(url, hosts, deadline)
                if isinstance(found, Page):
                    return found
                url = found
    except TimeoutError:
        raise FetchFailed(f"{url.authority} took longer than {seconds:g} s") from None
    raise FetchFailed(f"more than {MAX_HOPS} redirects")


async def _hop(url: Url, hosts: Hosts, deadline: float) -> Page | Url:
    """One request: the page, or where it redirects to."""
    import httpx  # heavy: loaded when the first page is fetched

    left = max(deadline - time.monotonic(), 0.01)
    addresses = await hosts.resolve(url, left)
    verify = True if hosts.tls is None else hosts.tls
    async with httpx.AsyncClient(trust_env=False, follow_redirects=False, verify=verify, timeout=left) as client:
        for number, address in enumerate(addresses, 1):
            try:
                return await _request(client, url, address)
            except httpx.ConnectError as error:
                if number == len(addresses):
                    raise FetchFailed(f"cannot connect to {url.authority}: {error}") from None
            except httpx.HTTPError as error:
                raise FetchFailed(f"{url.authority}: {type(error).__name__}: {error}") from None
            except httpx.InvalidURL as error:
                raise UnreadableUrl(f"{str(url)!r} is no web address: {error}") from None
    raise AssertionError("resolve() gives at least one address")


async def _request(client: httpx.AsyncClient, url: Url, address: str) -> Page | Url:
    numeric = f"[{address}]" if ":" in address else address
    request = client.build_request(
        "GET",
        f"{url.scheme}://{numeric}:{url.port}{url.target}",
        headers={"Host": url.authority, **_HEADERS},
        extensions={"sni_hostname": url.host},  # the certificate must be the host's, not the address's
    )
    response = await client.send(request, stream=True)
    try:
        if response.status_code in _REDIRECTS and "location" in response.headers:
            return _next(url, response.headers["location"])
        content_type = response.headers.get("content-type", "")
        body.check_type(content_type)
        data = await body.read(response.aiter_raw(), response.headers.get("content-encoding", ""))
        return Page(str(url), response.status_code, content_type, body.decode(data, content_type))
    finally:
        await response.aclose()


def _next(url: Url, location: str) -> Url:
    try:
        there = parse(urljoin(str(url), location))
    except ValueError as error:  # urljoin on a broken address
        raise UnreadableUrl(f"{url.authority} redirects to {location!r}, which is no web address: {error}") from None
    if url.scheme == "https" and there.scheme == "http":
        raise FetchFailed(f"{url.authority} redirects from https to unprotected http")
    return there
