"""Why a web address was not fetched, one class for each. All are ToolErrors: the text goes to the model."""

from __future__ import annotations

from so8t.tools.errors import ToolboxError, ToolError


class InvalidHosts(ToolboxError):
    """The operator's list of allowed hosts holds something that is no host."""


class WebError(ToolError):
    """The root of the errors in fetching."""


class UnreadableUrl(WebError):
    """No plain http or https address, or one that two programs may read differently."""


class HostNotAllowed(WebError):
    """The host is not on the operator's list."""


class ForbiddenAddress(WebError):
    """The host's name leads to an address that is not public."""


class FetchFailed(WebError):
    """No answer: unknown host, refused connection, bad certificate, timeout, too many redirects."""


class TooLarge(WebError):
    """The answer is larger than allowed, on the wire or after decompression."""


class NotText(WebError):
    """The answer is no text."""
