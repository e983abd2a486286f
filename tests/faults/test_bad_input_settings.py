"""Bad configuration and bad tool files: one clear line, exit code 1, nothing started, nothing recorded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

So8t = Callable[..., Any]

RULE = '[[gate.rule]]\nname = "r"\n'
BAD_FILES: dict[str, tuple[bytes | str, str]] = {
    "no TOML": ("[gate", "agent.toml"),
    "no UTF-8": (b"\xff\xfe[gate]", "agent.toml"),
    "binary": (bytes(range(256)), "agent.toml"),
    "a key twice": ("[gate]\nturns = 'off'\nturns = 'flag'\n", "agent.toml"),
    "an unknown key": ("[gate]\nhaed = 'x'\n", "gate.head"),
    "an unknown table": ("[tool]\n", "tools"),
    "a table for a value": ("[gate.turns]\nx = 1\n", "gate.turns"),
    "a value for a table": ("gate = 3\n", "gate"),
    "text for a number": ("[gate]\ndeadline = 'soon'\n", "gate.deadline"),
    "NaN": ("[gate]\ndeadline = nan\n", "gate.deadline"),
    "infinity": ("[model]\ntoken_timeout = inf\n", "model.token_timeout"),
    "below the range": ("[budget]\ncalls = 0\n", "budget.calls"),
    "above the range": ("[model]\ntemperature = 3\n", "model.temperature"),
    "a bool for a number": ("[budget]\nsteps = 'true'\n", "budget.steps"),
    "an unknown engine": ("[model]\nengine = 'gpt'\n", "model.engine"),
    "terminal bytes": ('[gate]\nturns = "\\u001b[2J\\u202e"\n', "gate.turns"),
    "an unknown script": ("[gate]\nscripts = ['Klingon']\n", "Klingon"),
    "a rule without decision": (RULE, "decision"),
    "a rule that allows": (RULE + "tool = '*'\ndecision = 'allow'\nreason = 'x'\n", "allow"),
    "a rule with an unknown effect": (RULE + "effects = ['fly']\ndecision = 'refuse'\nreason = 'x'\n", "fly"),
    "a rule without reason": (RULE + "tool = '*'\ndecision = 'refuse'\n", "reason"),
    "a head that is not there": ("[gate]\nhead = 'nowhere'\n", "nowhere"),
    "a model that is not there": ("[model]\nllama_cpp.model = 'nowhere.gguf'\n", "nowhere.gguf"),
    "no script": ("[model]\nengine = 'scripted'\nscripted.file = 'nowhere.json'\n", "nowhere.json"),
    "a script that is none": ("[model]\nengine = 'scripted'\nscripted.file = 'agent.toml'\n", "agent.toml"),
    "no address": ("[model]\nengine = 'openai'\nopenai.base_url = 'here'\n", "openai.base_url"),
    "no workspace": ("[tools]\nworkspace = 'nowhere'\n", "nowhere"),
    "a workspace that is a file": ("[tools]\nworkspace = 'agent.toml'\n", "agent.toml"),
    "no host": ("[tools.http_get]\nhosts = ['http://bad host']\n", "bad host"),
    "an unknown disabled tool": ("[tools]\ndisabled = ['write_fil']\n", "write_file"),
    "a missing tool file": ("[tools]\npaths = ['nowhere.py']\n", "nowhere.py"),
    "a secret that is not set": ("[audit]\nsecrets = ['SO_NOT_SET']\n", "SO_NOT_SET"),
    "an unknown database": ("[audit]\nurl = 'mysql://host/base'\n", "mysql"),
    "no database URL": ("[audit]\nurl = 'so8t.db'\n", "sqlite:///"),
}


@pytest.mark.parametrize(("content", "says"), BAD_FILES.values(), ids=BAD_FILES)
def test_a_bad_agent_toml_is_one_clear_line(so8t: So8t, folder: Path, content: bytes | str, says: str) -> None:
    (folder / "agent.toml").write_bytes(content if isinstance(content, bytes) else content.encode())
    done = so8t("run", "-p", "hello")
    done.failed(says)
    assert done.out == ""
    assert not [c for c in done.err if c in "\x1b\u202e"]
    (folder / "agent.toml").unlink()
    assert so8t("audit", "list").out == ""


@pytest.mark.parametrize("make", [Path.mkdir, lambda path: path.symlink_to("nowhere")], ids=["folder", "dead link"])
def test_an_agent_toml_that_is_no_file_is_told_and_not_skipped(so8t: So8t, folder: Path, make: Any) -> None:
    make(folder / "agent.toml")
    so8t("config", "show").failed("agent.toml")


def test_a_byte_order_mark_is_no_mistake(so8t: So8t, folder: Path) -> None:
    (folder / "agent.toml").write_bytes(b"\xef\xbb\xbf[budget]\nsteps = 3\n")
    assert so8t("config", "show", "--json").json[0]["budget.steps"]["value"] == 3


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("SO8T_GATE__TURN", "off", "SO8T_GATE__TURNS"),
        ("SO8T_GATE__TURNS", "sometimes", "gate.turns"),
        ("SO8T_GATE__DEADLINE", "nan", "gate.deadline"),
        ("SO8T_TOOLS__DISABLED", "calculator", "SO8T_TOOLS__DISABLED"),
        ("SO8T_GATE__RULE", '[{"name": "r"}]', "gate.rule"),
        ("SO8T_CONFIG", "nowhere.toml", "nowhere.toml"),
        ("SO8T_BUDGET__STEPS", "\x1b[2J", "budget.steps"),
    ],
)
def test_a_bad_variable_is_one_clear_line(
    so8t: So8t, monkeypatch: pytest.MonkeyPatch, name: str, value: str, says: str
) -> None:
    monkeypatch.setenv(name, value)
    so8t("config", "show").failed(says)


TOOL = "from so8t.tools import tool\n"
READ = TOOL + '@tool(effects={"read"})\n'
BAD_TOOLS: dict[str, tuple[bytes | str, str]] = {
    "empty": ("", "@tool"),
    "no Python": ("def f(:\n", "SyntaxError"),
    "no UTF-8": (b"\xff\xfe", "SyntaxError"),
    "a null byte": (b"a = 1\x00", "SyntaxError"),
    "an import that fails": ("import so_not_there\n", "so_not_there"),
    "an error": ("1 / 0\n", "ZeroDivisionError"),
    "an exit": ("raise SystemExit(0)\n", "SystemExit"),
    "terminal bytes in an error": ('raise ValueError("\\x1b[2J\\n\\n\\u202e")\n', "ValueError"),
    "no effects": (TOOL + '@tool\ndef f(x: int) -> str:\n    """Doc."""\n', "valid effects: read"),
    "no effects in brackets": (TOOL + '@tool()\ndef f(x: int) -> str:\n    """Doc."""\n', "valid effects: read"),
    "an unknown effect": (TOOL + '@tool(effects={"reed"})\ndef f(x: int) -> str:\n    """Doc."""\n', "'reed'"),
    "no docstring": (READ + 'def f(x: int) -> str:\n    return ""\n', "docstring"),
    "no type": (READ + 'def f(x) -> str:\n    """Doc."""\n', "parameter x"),
    "a name twice": (READ + 'def read_file(x: int) -> str:\n    """Doc."""\n', "read_file"),
    "a look-alike name": (READ + 'def readfile(x: int) -> str:\n    """Doc."""\n', "read_file"),
}  # fmt: skip


@pytest.mark.parametrize(("content", "says"), BAD_TOOLS.values(), ids=BAD_TOOLS)
def test_a_bad_tool_file_is_one_clear_line_that_names_it(
    so8t: So8t, folder: Path, content: bytes | str, says: str
) -> None:
    (folder / "mine.py").write_bytes(content if isinstance(content, bytes) else content.encode())
    (folder / "agent.toml").write_text("[tools]\npaths = ['mine.py']\n", encoding="utf-8")
    for command in (("tools", "list"), ("run", "-p", "hello"), ("gate", "check", "--cases", "agent.toml")):
        done = so8t(*command)
        done.failed("mine.py", says)
        assert done.out == ""
        assert not [c for c in done.err if c in "\x1b\u202e"]
