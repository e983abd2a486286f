"""Writing a file so that others see the old content or the new, never a half."""

from __future__ import annotations

import os
import secrets
import stat
from contextlib import suppress

from so8t.tools.workspace.errors import AlreadyExists
from so8t.tools.workspace.folder import Folder

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL


def write_atomically(folder: Folder, name: str, data: bytes, existing: os.stat_result | None) -> None:
    """Write `name` in `folder` by way of a temporary file beside it. `existing`: the file to replace, None: a new one.

    Raises OSError, and AlreadyExists where a new file turns out to be there.
    """
    temporary = f".{secrets.token_hex(8)}.so8t-tmp"
    fd = folder.open(temporary, _NEW)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(data)
            file.flush()
            if existing is not None and hasattr(os, "fchmod"):
                os.fchmod(fd, stat.S_IMODE(existing.st_mode))
            os.fsync(fd)
        if existing is None:
            _claim(folder, name)
        folder.replace(temporary, name)  # replaces a link itself, never what it leads to
    except BaseException:
        with suppress(OSError):
            folder.remove(temporary)
        raise
    folder.sync()


def _claim(folder: Folder, name: str) -> None:
    """Make sure, without a gap, that the name is ours: two writers of one new name must not both succeed."""
    try:
        os.close(folder.open(name, _NEW))
    except FileExistsError:
        raise AlreadyExists(f"{name!r} was created by someone else meanwhile") from None
