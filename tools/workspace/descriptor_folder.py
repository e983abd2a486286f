"""A folder held by its descriptor (POSIX): whatever others rename or link meanwhile, it stays this folder."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from so8t.tools.workspace.folder import Identity, identity

_FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
# O_NONBLOCK: opening a pipe that nobody writes must not wait. O_NOCTTY: a terminal must not become ours.
_FILE = (
    getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_NOCTTY", 0)
)


@dataclass(frozen=True, slots=True)
class DescriptorFolder:
    """Implements Folder with dir_fd calls."""

    fd: int

    @classmethod
    def at(cls, path: Path) -> DescriptorFolder:
        return cls(os.open(path, _FOLDER))

    def lstat(self, name: str) -> os.stat_result:
        return os.stat(name, dir_fd=self.fd, follow_symlinks=False)

    def enter(self, name: str) -> DescriptorFolder:
        return DescriptorFolder(os.open(name, _FOLDER, dir_fd=self.fd))

    def open(self, name: str, flags: int, mode: int = 0o666) -> int:
        return os.open(name, flags | _FILE, mode, dir_fd=self.fd)

    def names(self) -> list[str]:
        return os.listdir(self.fd)  # noqa: PTH208 - pathlib cannot list a descriptor

    def make(self, name: str) -> None:
        os.mkdir(name, dir_fd=self.fd)

    def replace(self, source: str, target: str) -> None:
        os.rename(source, target, src_dir_fd=self.fd, dst_dir_fd=self.fd)

    def remove(self, name: str) -> None:
        os.unlink(name, dir_fd=self.fd)

    def sync(self) -> None:
        os.fsync(self.fd)

    def identity(self) -> Identity:
        return identity(os.fstat(self.fd))

    def close(self) -> None:
        os.close(self.fd)
