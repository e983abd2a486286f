"""Downloads one file over HTTP: progress, resume, retries."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import httpx

from so8t.gate.models.catalogue import ModelError

Progress = Callable[[int, int | None], None]  # bytes so far, bytes in all (None: unknown)
ATTEMPTS = 5
_RETRIED = frozenset({408, 425, 429, 500, 502, 503, 504})


class DownloadFailed(ModelError):
    """The server does not give the file."""


class Offline(ModelError):
    """No connection, again and again."""


def download(
    client: httpx.Client,
    address: str,
    part: Path,
    limit: int,
    progress: Progress,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Fill `part`, going on where an earlier try stopped. The caller checks the hash.

    Args:
        client: follows redirects, knows proxies and certificates.
        address: URL of the file.
        part: the file to fill.
        limit: more bytes than this are refused.
        progress: called after each piece.
        sleep: waits between tries (seconds).

    Raises:
        DownloadFailed, Offline, OSError.
    """
    reason = ""
    for attempt in range(ATTEMPTS):
        if attempt:
            sleep(2.0 ** (attempt - 1))  # a server that is busy needs time
        try:
            with client.stream("GET", address, headers=_range(part)) as response:
                if response.status_code not in _RETRIED:
                    return _save(response, part, limit, progress)
                reason = f"the server answers {response.status_code}"
        except _Restart:
            part.unlink(missing_ok=True)
        except httpx.TransportError as error:
            reason = f"{type(error).__name__}: {error}"
    raise Offline(f"{ATTEMPTS} tries failed ({reason}); what has arrived is kept: try again later")


class _Restart(Exception):
    """The server cannot go on where the file stopped."""


def _range(part: Path) -> dict[str, str]:
    size = part.stat().st_size if part.exists() else 0
    plain = {"Accept-Encoding": "identity"}  # byte positions are those of the file itself
    return {**plain, "Range": f"bytes={size}-"} if size else plain


def _save(response: httpx.Response, part: Path, limit: int, progress: Progress) -> None:
    if response.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
        raise _Restart
    if response.status_code not in (httpx.codes.OK, httpx.codes.PARTIAL_CONTENT):
        raise DownloadFailed(f"the server answers {response.status_code}")
    resumed = response.status_code == httpx.codes.PARTIAL_CONTENT
    done = part.stat().st_size if resumed and part.exists() else 0
    if resumed and not response.headers.get("content-range", "").startswith(f"bytes {done}-"):
        raise _Restart
    length = response.headers.get("content-length", "")
    total = done + int(length) if length.isdigit() else None
    with part.open("ab" if resumed else "wb") as file:
        for piece in response.iter_raw():
            done += len(piece)
            if done > limit:
                raise DownloadFailed(f"more than the expected {limit} bytes")
            file.write(piece)
            progress(done, total)
