"""What all tests share: a machine under load is no failure of a property; the command line as its users call it."""

from __future__ import annotations

import io
import json
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # started in the background, as `pytest &` in a script
    signal.signal(signal.SIGINT, signal.default_int_handler)  # else no program that a test starts could be interrupted

settings.register_profile("so8t", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("so8t")


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> list[Any]:
        """What it printed: one JSON value a line."""
        return [json.loads(line) for line in self.out.splitlines()]

    def failed(self, *says: str, code: int = 1) -> None:
        """It ended with `code` and one clear line that holds each of `says`."""
        lines = self.err.splitlines()
        assert self.code == code, self
        assert lines[0].startswith("so8t: "), self
        assert code == 2 or len(lines) == 1, self
        for text in says:
            assert text in lines[0], self


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder of the commands, empty; their data is in another one."""
    for name in [name for name in os.environ if name.startswith("SO8T_") and name != "SO8T_CACHE"]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("SO8T_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


@pytest.fixture
def so8t(folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    """`so8t("run", "-p", "...")` as from a shell. Whatever happens, there is no traceback and no internal error."""
    from so8t.agent.cli.main import main

    def run(*arguments: str | Path, stdin: bytes = b"") -> Done:
        monkeypatch.setattr(sys, "argv", ["so8t", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8"))
        capfd.readouterr()
        code: Any = 0
        try:
            main()
        except SystemExit as stop:
            code = stop.code or 0
        done = Done(code, *capfd.readouterr())
        assert "Traceback" not in done.err, done.err
        assert "internal error" not in done.err, done.err
        return done

    return run
