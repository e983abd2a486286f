"""Converted models in the cache: made once, checked by hash each time before and after they are loaded."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from filelock import FileLock

from so8t.gate.models.bert_files import VERSION, BertFiles, ConvertError, Dtype
from so8t.gate.models.cache import sha256_of
from so8t.gate.models.lora import Adapter
from so8t.gate.models.unchanged import ModelChanged, unchanged


@contextmanager
def converted(
    files: BertFiles, sha256: str | None, dtype: Dtype, adapter: Adapter | None, cache: Path
) -> Iterator[Path]:
    """The path of the GGUF file; load it inside the `with`.

    Args:
        files: what to convert.
        sha256: what files.weights must hash to; None takes it as it is.
        dtype: how matrices are kept.
        adapter: merged before the conversion.
        cache: folder of the converted files.

    Raises:
        ModelChanged: the weights have another hash, or the GGUF file changed while it was loaded.
        ConvertError: the files cannot be converted, or not written.
    """
    try:
        key = _key(files, sha256, dtype, adapter)
        folder = cache / "converted"
        folder.mkdir(parents=True, exist_ok=True)
        target = folder / f"{key}.gguf"
        with FileLock(folder / f"{key}.lock"):
            expected = _recorded(target) or _make(files, target, dtype, adapter, key)
            with unchanged(target, expected):
                yield target
    except OSError as error:
        raise ConvertError(f"cannot convert {files.weights.name}: {error}") from None


def _key(files: BertFiles, sha256: str | None, dtype: Dtype, adapter: Adapter | None) -> str:
    weights = sha256_of(files.weights)
    if sha256 is not None and weights != sha256:
        raise ModelChanged(f"{files.weights} has SHA-256 {weights}, expected {sha256}")
    merged = f"{sha256_of(adapter.path)} {adapter.scaling!r}" if adapter else ""
    parts = (weights, sha256_of(files.vocab), sha256_of(files.config), merged, dtype, str(VERSION))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _recorded(target: Path) -> str | None:
    """The file's hash, where it stands as it was written."""
    try:
        expected = target.with_suffix(".sha256").read_text(encoding="ascii")
        return expected if sha256_of(target) == expected else None
    except (OSError, ValueError):
        return None


def _make(files: BertFiles, target: Path, dtype: Dtype, adapter: Adapter | None, key: str) -> str:
    """Convert beside the target and move into place. What was hashed for the key must still be there afterwards."""
    from so8t.gate.models.convert_bert import convert  # slow to import, and seldom needed

    with TemporaryDirectory(dir=target.parent) as folder:
        new = Path(folder) / target.name
        convert(files, new, dtype, adapter)
        if _key(files, None, dtype, adapter) != key:
            raise ModelChanged(f"{files.weights} changed while it was converted")
        made = sha256_of(new)
        new.replace(target)
    target.with_suffix(".sha256").write_text(made, encoding="ascii")
    return made
