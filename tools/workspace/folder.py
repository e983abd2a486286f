"""An open folder, as the workspace sees it. Names are single names, never paths."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Protocol

Identity = tuple[int, int]  # device and inode: the same for every spelling of a path

_REPARSE_LINKS = {0xA0000003, 0xA000000C}  # Windows: junction (mount point) and symbolic link


class Folder(Protocol):
    """Operations on what lies directly in one folder. All may raise OSError; none follows a link."""

    def lstat(self, name: str) -> os.stat_result: ...
    def enter(self, name: str) -> Folder: ...
    def open(self, name: str, flags: int, mode: int = 0o666) -> int: ...
    def names(self) -> list[str]: ...
    def make(self, name: str) -> None: ...
    def replace(self, source: str, target: str) -> None: ...
    def remove(self, name: str) -> None: ...
    def sync(self) -> None: ...
    def identity(self) -> Identity: ...
    def close(self) -> None: ...


def open_folder(path: Path) -> Folder:
    """The best that this system has: descriptors where it can open relative to them, checked paths elsewhere."""
    if {os.open, os.stat, os.mkdir, os.rename, os.unlink} <= os.supports_dir_fd and os.listdir in os.supports_fd:
        from so8t.tools.workspace.descriptor_folder import DescriptorFolder

        return DescriptorFolder.at(path)
    from so8t.tools.workspace.path_folder import PathFolder

    return PathFolder.at(path)


def identity(status: os.stat_result) -> Identity:
    """What tells two files apart whatever they are called."""
    return status.st_dev, status.st_ino


def is_link(status: os.stat_result) -> bool:
    """Whether it is a symbolic link, or a junction on Windows."""
    return stat.S_ISLNK(status.st_mode) or getattr(status, "st_reparse_tag", 0) in _REPARSE_LINKS
