"""Files of one folder, reached without ever following a link out of it.

A path is walked part by part, each opened relative to the last; see descriptor_folder.py for why that leaves no race.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, ClassVar, Literal

from so8t.tools.names import nearest
from so8t.tools.workspace import errors, paths
from so8t.tools.workspace.atomic import write_atomically
from so8t.tools.workspace.folder import Folder, identity, is_link, open_folder
from so8t.tools.workspace.protection import Protection

Kind = Literal["file", "folder", "link", "other"]
Parts = tuple[str, ...]
MAX_COMPARED = 2_000  # names of a folder that are compared to find the nearest


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing in a folder."""

    name: str
    kind: Kind
    size: int  # bytes


class Workspace:
    """The folder `root`. All paths are text, relative to it, with `/` between parts.

    `protected` paths (relative to root, or absolute) are never written, `secret` ones are never read either.
    Every method raises WorkspaceError: a one-line message for the model.
    """

    __so8t_resource__: ClassVar[bool] = True

    def __init__(
        self,
        root: Path,
        protected: Sequence[Path] = (),
        secret: Sequence[Path] = (),
        opener: Callable[[Path], Folder] = open_folder,
    ) -> None:
        try:
            self.root = root.resolve(strict=True)
            self._opener = opener
            self._identity = identity(self.root.stat())
        except OSError as error:
            raise errors.NotFound(f"the workspace folder {root} cannot be opened: {error.strerror}") from None
        if not self.root.is_dir():
            raise errors.NotAFolder(f"the workspace {root} is no folder")
        self._protection = Protection.of(self.root, protected, secret)

    def open_read(self, path: str) -> BinaryIO:
        """The regular file at `path`, open for reading bytes."""
        parts = self._file_parts(path)
        self._protection.check_name(parts, write=False)
        with _plain_errors(path), self._parent(parts, write=False) as (folder, name):
            self._check_file(parts, self._lstat(folder, name, path), write=False)
            fd = folder.open(name, os.O_RDONLY)
            try:
                self._check_file(parts, os.fstat(fd), write=False)
                return os.fdopen(fd, "rb")
            except BaseException:
                os.close(fd)
                raise

    def write(self, path: str, data: bytes, overwrite: bool = False) -> bool:
        """Write the whole file at once, with missing folders; True if it replaced one."""
        parts = self._file_parts(path)
        self._protection.check_name(parts, write=True)
        with _plain_errors(path), self._parent(parts, write=True) as (folder, name):
            existing = None
            with suppress(FileNotFoundError):
                existing = folder.lstat(name)
            if existing is not None:
                self._check_file(parts, existing, write=True)
                if not overwrite:
                    raise errors.AlreadyExists(f"{path!r} exists already: set overwrite to true to replace it")
                if not existing.st_mode & 0o222:
                    raise errors.AccessFailed(f"{path!r} is read-only")
            write_atomically(folder, name, data, existing)
            return existing is not None

    def kind(self, path: str) -> Kind:
        """What is at `path`."""
        parts = paths.split(path)
        if not parts:
            return "folder"
        with _plain_errors(path), self._parent(parts, write=False) as (folder, name):
            return _kind(self._lstat(folder, name, path))

    def list(self, path: str = ".") -> list[Entry]:
        """What lies in the folder at `path`, sorted by name."""
        parts = paths.split(path)
        self._protection.check_name(parts, write=False)
        with _plain_errors(path), self._folder(parts, write=False) as folder:
            return [entry for name in sorted(folder.names()) if (entry := _entry(folder, name))]

    def walk(self, path: str = ".", skip: frozenset[str] = frozenset({".git"})) -> Iterator[str]:
        """Paths of all files under the folder `path`, depth first; not those behind links, not in `skip` folders."""
        prefix = "/".join(paths.split(path))
        for entry in self.list(path):
            inner = f"{prefix}/{entry.name}" if prefix else entry.name
            if entry.kind == "file":
                yield inner
            elif entry.kind == "folder" and entry.name not in skip:
                with suppress(errors.WorkspaceError):  # gone, swapped or protected meanwhile: not ours to show
                    yield from self.walk(inner, skip)

    def _file_parts(self, path: str) -> Parts:
        parts = paths.split(path)
        if not parts or path.endswith("/"):
            raise errors.NotARegularFile(f"{path!r} names a folder, not a file")
        return parts

    @contextmanager
    def _parent(self, parts: Parts, write: bool) -> Iterator[tuple[Folder, str]]:
        with self._folder(parts[:-1], write) as folder:
            yield folder, _spelled(folder, parts[-1])

    @contextmanager
    def _folder(self, parts: Parts, write: bool) -> Iterator[Folder]:
        """Walk down from the root; where `write` is set, make the folders that are missing."""
        folder = self._opener(self.root)
        try:
            if folder.identity() != self._identity:
                raise errors.OutsideWorkspace("the workspace folder was replaced by another one: restart so8t")
            for count, part in enumerate(parts, 1):
                inner = self._enter(folder, part, "/".join(parts[:count]), write)
                folder.close()
                folder = inner
                self._protection.check_identity(parts[:count], folder.identity(), write)
            yield folder
        finally:
            folder.close()

    def _enter(self, folder: Folder, part: str, path: str, make: bool) -> Folder:
        name = _spelled(folder, part)
        if make:
            with suppress(FileExistsError):
                folder.make(name)
        status = self._lstat(folder, name, path)
        if is_link(status):
            raise errors.LinkInPath(f"{path!r} is a link: links are not followed")
        if not stat.S_ISDIR(status.st_mode):
            raise errors.NotAFolder(f"{path!r} is not a folder")
        return folder.enter(name)

    def _lstat(self, folder: Folder, name: str, path: str) -> os.stat_result:
        try:
            return folder.lstat(name)
        except FileNotFoundError:
            close = ", ".join(nearest(name, folder.names()[:MAX_COMPARED])[:3])
            raise errors.NotFound(f"there is no {path!r}" + (f"; nearest: {close}" if close else "")) from None

    def _check_file(self, parts: Parts, status: os.stat_result, write: bool) -> None:
        path = "/".join(parts)
        if is_link(status):
            raise errors.LinkInPath(f"{path!r} is a link: links are not followed")
        if not stat.S_ISREG(status.st_mode):
            what = "a folder" if stat.S_ISDIR(status.st_mode) else "a pipe, a device or a socket"
            raise errors.NotARegularFile(f"{path!r} is {what}, not a file")
        if status.st_nlink > 1:
            raise errors.NotARegularFile(f"{path!r} has a second name (hard link), perhaps outside the workspace")
        self._protection.check_identity(parts, identity(status), write)


def _spelled(folder: Folder, part: str) -> str:
    """The spelling of the name that is there: as given, or the same text in another Unicode form."""
    for name in paths.spellings(part):
        with suppress(OSError):
            folder.lstat(name)
            return name
    return part


def _kind(status: os.stat_result) -> Kind:
    if is_link(status):
        return "link"
    if stat.S_ISDIR(status.st_mode):
        return "folder"
    return "file" if stat.S_ISREG(status.st_mode) else "other"


def _entry(folder: Folder, name: str) -> Entry | None:
    with suppress(OSError):  # gone since the folder was read
        status = folder.lstat(name)
        return Entry(name, _kind(status), status.st_size)
    return None


@contextmanager
def _plain_errors(path: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise errors.NotFound(f"{path!r} was removed while it was being opened") from None
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR, errno.EMLINK) or isinstance(error, NotADirectoryError):
            raise errors.LinkInPath(f"{path!r} became a link while it was being opened") from None
        raise errors.AccessFailed(f"{path!r}: {error.strerror or error}") from None
    except ValueError as error:  # a name that the file system cannot encode
        raise errors.AccessFailed(f"{path!r}: {error}") from None
