"""agent.toml: its own manual, overrides, origins, and what it says when something is wrong."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from so8t.agent.config import ConfigError, flatten, load
from so8t.agent.settings import Settings

MANUAL = Path(__file__).resolve().parents[2] / "agent.toml"


def leaves(table: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in table.items():
        found |= leaves(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return found


def test_the_manual_says_every_default_and_nothing_else() -> None:
    written = leaves(tomllib.loads(MANUAL.read_text(encoding="utf-8")))
    defaults = {k: list(v) if isinstance(v, tuple) else v for k, v in flatten(Settings())}
    assert written == defaults


def test_without_a_file_the_defaults_count(tmp_path: Path) -> None:
    config = load(tmp_path, environ={"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)})
    assert config.settings == Settings()
    assert config.origin("gate.turns") == "default"


def test_the_environment_overrides_the_file_and_both_are_named(tmp_path: Path) -> None:
    (tmp_path / "agent.toml").write_text('[gate]\nturns = "flag"\nhead = "x"\n', encoding="utf-8")
    config = load(tmp_path, environ={"SO8T_GATE__TURNS": "off", "SO8T_TOOLS__DISABLED": '["http_get"]'})
    assert (config.settings.gate.turns, config.settings.gate.head) == ("off", "x")
    assert config.settings.tools.disabled == ("http_get",)
    assert config.origin("gate.turns") == "environment"
    assert config.origin("gate.head").endswith("agent.toml")
    assert config.origin("gate.deadline") == "default"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[gate]\nturn = 1\n", "did you mean gate.turns"),
        ("[gates]\n", "did you mean gate"),
        ('[gate]\nturns = "sometimes"\n', "gate.turns"),
        ("[model.llama_cpp]\ncontext = 1\n", "model.llama_cpp.context"),
        ("[[gate.rule]]\nnam = 1\n", "name"),
        ("gate = [", "agent.toml"),
        ("[budget]\nsteps = 0\n", "budget.steps"),
        ("[tools]\nworkspace = 7\n", "tools.workspace"),
    ],
)
def test_a_mistake_in_the_file_is_one_clear_line(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "agent.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as error:
        load(tmp_path, environ={})
    assert says in str(error.value)
    assert "\n" not in str(error.value).strip()


def test_bytes_that_are_no_utf8_are_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "agent.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError):
        load(tmp_path, environ={})


@pytest.mark.parametrize(
    ("environ", "says"),
    [
        ({"SO8T_GATE__TURN": "off"}, "SO8T_GATE__TURNS"),
        ({"SO8T_GATE__TURNS": "sometimes"}, "gate.turns"),
        ({"SO8T_CONFIG": "/nowhere/agent.toml"}, "not there"),
        ({"SO8T_TOOLS__PATHS": "[1"}, "SO8T_TOOLS__PATHS"),
    ],
)
def test_a_mistake_in_the_environment_is_one_clear_line(tmp_path: Path, environ: dict[str, str], says: str) -> None:
    with pytest.raises(ConfigError) as error:
        load(tmp_path, environ=environ)
    assert says.lower() in str(error.value).lower()


def test_a_named_file_that_is_missing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        load(tmp_path, file=tmp_path / "other.toml", environ={})
