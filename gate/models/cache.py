"""Where downloaded and converted models are kept."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import platformdirs


def cache_folder() -> Path:
    """SO8T_CACHE, or the user's cache folder of this system."""
    chosen = os.environ.get("SO8T_CACHE")
    return Path(chosen) if chosen else Path(platformdirs.user_cache_dir("so8t", appauthor=False))


def sha256_of(path: Path) -> str:
    """SHA-256 (hex) of a file. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
