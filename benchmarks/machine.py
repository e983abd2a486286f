"""Where and when a figure was measured."""

from __future__ import annotations

import datetime as dt
import os
import platform
from contextlib import suppress
from pathlib import Path


def here() -> dict[str, str]:
    """The date (UTC) and the machine."""
    return {
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, {_processor()}",
    }


def _processor() -> str:
    """The processor's name, where the system tells it."""
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")
    return platform.processor()
