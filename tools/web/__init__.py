"""The outside world for tools: allowed hosts, checked addresses, bounded answers."""

from so8t.tools.web.errors import (
    FetchFailed,
    ForbiddenAddress,
    HostNotAllowed,
    InvalidHosts,
    NotText,
    TooLarge,
    UnreadableUrl,
    WebError,
)
from so8t.tools.web.fetch import Page, fetch
from so8t.tools.web.hosts import Hosts

__all__ = [
    "FetchFailed",
    "ForbiddenAddress",
    "HostNotAllowed",
    "Hosts",
    "InvalidHosts",
    "NotText",
    "Page",
    "TooLarge",
    "UnreadableUrl",
    "WebError",
    "fetch",
]
