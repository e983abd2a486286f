"""A folder held by its path, checked at every step: for Windows, which cannot open relative to a descriptor.

Between a check and its use another process could still swap a folder for a link; POSIX systems do not use this.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from so8t.tools.workspace.folder import Identity, identity, is_link


@dataclass(frozen=True, slots=True)
class PathFolder:
    """Implements Folder with whole paths."""

    path: Path
    root: Path

    @classmethod
    def at(cls, path: Path) -> PathFolder:
        return cls(path, path)

    def lstat(self, name: str) -> os.stat_result:
        return (self.path / name).lstat()

    def enter(self, name: str) -> PathFolder:
        inner = self.path / name
        if is_link(inner.lstat()) or not inner.resolve(strict=True).is_relative_to(self.root):
            raise NotADirectoryError(f"{name} leads elsewhere")
        return PathFolder(inner, self.root)

    def open(self, name: str, flags: int, mode: int = 0o666) -> int:
        path = self.path / name
        extra = getattr(os, "O_BINARY", 0) | getattr(os, "O_NOINHERIT", 0) | getattr(os, "O_NOFOLLOW", 0)
        fd = os.open(path, flags | extra | getattr(os, "O_NONBLOCK", 0), mode)
        if identity(os.fstat(fd)) != identity(path.lstat()) or not path.resolve().is_relative_to(self.root):
            os.close(fd)
            raise NotADirectoryError(f"{name} was swapped while it was opened")
        return fd

    def names(self) -> list[str]:
        return [entry.name for entry in self.path.iterdir()]

    def make(self, name: str) -> None:
        (self.path / name).mkdir()

    def replace(self, source: str, target: str) -> None:
        (self.path / source).replace(self.path / target)

    def remove(self, name: str) -> None:
        (self.path / name).unlink()

    def sync(self) -> None:
        """Windows has no fsync of a folder."""

    def identity(self) -> Identity:
        return identity(self.path.stat())

    def close(self) -> None:
        """Nothing is held."""
