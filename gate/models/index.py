"""Finds a wheel's address in a package index (the simple repository API, PEP 503 and PEP 691)."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from html.parser import HTMLParser
from urllib.parse import unquote, urljoin, urlsplit

import httpx

from so8t.gate.models.catalogue import ModelError, PyPI

_ACCEPT = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"


class NotInIndex(ModelError):
    """The index does not have the wheel, or its answer cannot be read."""


def wheel_address(client: httpx.Client, index: str, source: PyPI) -> str:
    """The URL of the wheel.

    Raises:
        NotInIndex: as it says.
        httpx.HTTPError: the index cannot be reached.
    """
    project = re.sub(r"[-_.]+", "-", source.package).lower()
    response = client.get(f"{index.rstrip('/')}/{project}/", headers={"Accept": _ACCEPT})
    if response.status_code != httpx.codes.OK:
        raise NotInIndex(f"the package index answers {response.status_code} for {source.package}")
    for name, address in _links(response):
        if fnmatchcase(name, source.wheel):
            return urljoin(str(response.url), address)
    raise NotInIndex(f"the package index has no {source.wheel}")


def _links(response: httpx.Response) -> list[tuple[str, str]]:
    """(file name, address) of each file."""
    if "json" not in response.headers.get("content-type", ""):
        return _html_links(response.text)
    try:
        return [(str(file["filename"]), str(file["url"])) for file in response.json()["files"]]
    except (ValueError, KeyError, TypeError) as error:
        raise NotInIndex(f"the package index's answer cannot be read: {error!r}") from None


def _html_links(text: str) -> list[tuple[str, str]]:
    parser = _Anchors()
    parser.feed(text)
    return [(unquote(urlsplit(address).path.rpartition("/")[2]), address) for address in parser.found]


class _Anchors(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.found += [value for name, value in attrs if name == "href" and value]
