"""What a report says about a run besides figures: versions, machine, calibration."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version

from so8t.training.calibration import Calibration

PACKAGES = ("so8t", "torch", "transformers", "peft", "bitsandbytes", "accelerate", "numpy")


def machine(device: str) -> dict[str, str]:
    """Name -> text. `device`: what was computed on, in words, such as "CPU" or the card's name."""
    found = ((name, _version(name)) for name in PACKAGES)
    return {
        "versions": ", ".join([f"Python {platform.python_version()}", *(f"{name} {v}" for name, v in found if v)]),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPU cores, computed on: {device}",
    }


def calibration(found: Calibration) -> dict[str, str]:
    """Name -> text: what was fitted and what bound it keeps."""
    allow = found.thresholds.allow
    return {
        "temperature": f"{found.temperature:.3f}",
        "ALLOW threshold": "never reached" if allow > 1 else f"p(ALLOW) ≥ {allow:.4f}",
        "REFUSE threshold": f"p(REFUSE) ≥ {found.thresholds.refuse:.4f}",
        "bound on false ALLOW": _bound(found),
    }


def _bound(found: Calibration) -> str:
    bound = found.bound
    seen = f"{bound.false_allows} of {bound.cases} calibration cases that are not ALLOW"
    if bound.confidence is None or bound.upper is None:
        return f"at most {bound.max_false_allow * 100:.3g} % of the calibration cases: {seen}"
    sure = f"{bound.confidence * 100:.3g} % confidence"
    return f"at most {bound.max_false_allow * 100:.3g} %: {seen}, so with {sure} at most {bound.upper * 100:.2f} %"


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
