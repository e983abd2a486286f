"""The whole program in a process of its own: mistakes of ours, pipes that close, Ctrl-C, a database that is locked."""

from __future__ import annotations

import functools
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from so8t.audit_db import Store

MAIN = "from so8t.agent.cli.main import main; main()"
BROKEN = (
    "import so8t.agent.cli.config as c\ndef f(s): raise ZeroDivisionError('it \\x1b[2J broke')\nc.flatten = f\n" + MAIN
)


def program(*arguments: str, text: str = MAIN, **environ: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", text, *arguments],
        env=os.environ | environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )


def done(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


@pytest.mark.usefixtures("folder")
def test_a_mistake_of_ours_is_one_line_and_its_traceback_on_demand() -> None:
    line = "so8t: internal error (ZeroDivisionError: it ‹U+001B›[2J broke); set SO8T_DEBUG=1 for the traceback\n"
    assert done(program("config", "show", text=BROKEN)) == (1, "", line)
    assert done(program("config", "show", text=BROKEN, SO8T_DEBUG="0")) == (1, "", line)
    code, _, err = done(program("config", "show", text=BROKEN, SO8T_DEBUG="1"))
    assert code == 1
    assert "Traceback (most recent call last):" in err
    assert err.endswith(line)
    assert "\x1b" not in err


@pytest.mark.usefixtures("folder")
def test_a_known_error_has_its_traceback_on_demand_too() -> None:
    line = "so8t: there is no configuration file nowhere\n"
    assert done(program("--config", "nowhere", "config", "show")) == (1, "", line)
    err = done(program("--config", "nowhere", "config", "show", SO8T_DEBUG="1"))[2]
    assert "ConfigNotFound" in err
    assert err.endswith(line)


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("command", [("tools", "list", "--json"), ("audit", "export")], ids=" ".join)
def test_a_reader_that_leaves_early_ends_the_program_in_silence(command: tuple[str, ...]) -> None:
    assert done(program("run", "--reviews"))[0] == 0  # so that there is a trail to export
    process = program(*command)
    assert process.stdout is not None
    process.stdout.close()  # before it has written anything
    process.stdout = None
    code, _, err = done(process)
    assert (code, err) == (1, "")


@pytest.mark.usefixtures("folder")
def test_output_in_any_locale_is_utf8() -> None:
    code, out, err = done(
        program("config", "show", LC_ALL="C", PYTHONIOENCODING="ascii", SO8T_MODEL__SYSTEM_PROMPT="漢字")
    )
    assert (code, err) == (0, "")
    assert "漢字" in out


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends Ctrl-C to a whole console, not to one process")
def test_ctrl_c_stops_the_turn_and_leaves_a_whole_trail(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections and never answers
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/v1"
        engine = f'[model]\nengine = "openai"\nopenai.base_url = "{address}"\nopenai.model = "x"\n'
        (folder / "agent.toml").write_text(f'{engine}[gate]\nturns = "off"\n', encoding="utf-8")
        process = program("run", "-p", "hello", "--json")
        assert process.stdout is not None
        turn = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        code, out, err = done(process)
    assert code == 130
    assert err.strip() == ""
    assert [json.loads(line)["kind"] for line in [turn, *out.splitlines()]] == ["turn", "cancelled", "end"]
    records = [json.loads(line) for line in done(program("audit", "export"))[1].splitlines()]
    assert [records[0]["body"]["event"], records[-1]["body"]["event"]] == ["begin", "end"]


def test_a_database_that_another_program_holds_is_one_line(
    so8t: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(Store, "open", functools.partial(Store.open, busy_seconds=0.2))
    assert so8t("audit", "verify").code == 0
    holder = sqlite3.connect(tmp_path / "data" / "so8t.db", isolation_level=None)
    try:
        holder.execute("BEGIN EXCLUSIVE")
        for command in (("audit", "verify"), ("run", "-p", "hello"), ("review", "list"), ("why", "x")):
            so8t(*command).failed("so8t.db", "lock")
    finally:
        holder.close()
    assert so8t("audit", "verify").code == 0
