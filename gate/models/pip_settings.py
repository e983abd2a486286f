"""How pip reaches its package index here, so that a download goes the same way: mirror, certificates, proxy."""

from __future__ import annotations

import os
import ssl
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass

PYPI = "https://pypi.org/simple"


@dataclass(frozen=True, slots=True)
class PipSettings:
    """The parts of pip's configuration that matter for a download."""

    index: str = PYPI
    certificates: str | None = None  # path of a bundle
    proxy: str | None = None

    def ssl_context(self) -> ssl.SSLContext | bool:
        """What httpx takes as `verify`. True: its own default, which honours SSL_CERT_FILE. Raises OSError."""
        return ssl.create_default_context(cafile=self.certificates) if self.certificates else True


def pip_settings(environment: Mapping[str, str] = os.environ) -> PipSettings:
    """Read the environment first, then pip's configuration files, as pip does."""
    configured = _configuration()

    def setting(name: str) -> str | None:
        variable = "PIP_" + name.upper().replace("-", "_")
        return environment.get(variable) or configured.get(name)

    return PipSettings(setting("index-url") or PYPI, setting("cert"), setting("proxy"))


def _configuration() -> dict[str, str]:
    """`pip config list`: later lines win. Empty where there is no pip."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=30, check=True)  # noqa: S603 - fixed words
    except (OSError, subprocess.SubprocessError, UnicodeError):
        return {}
    found: dict[str, str] = {}
    for line in done.stdout.splitlines():
        key, equals, value = line.partition("=")
        section, _, name = key.rpartition(".")
        if equals and section in ("global", "download", "install"):
            found[name] = value.strip("'\"")
    return found
