"""The commands that look: tools, config, models, doctor."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

So8t = Callable[..., Any]


def test_the_tools_are_listed_and_described(so8t: So8t) -> None:
    tools = {tool["name"]: tool for tool in so8t("tools", "list", "--json").json}
    assert tools["write_file"]["effects"] == ["write"]
    assert {"read_file", "calculator", "current_time"} <= set(tools)
    plain = so8t("tools", "list").out.splitlines()
    assert [line.split()[0] for line in plain] == list(tools)
    assert so8t("tools", "describe", "write_file", "--json").json == [tools["write_file"]]
    out = so8t("tools", "describe", "write_file").out
    assert out.startswith("write_file  (write)\n")
    assert '"content"' in out


def test_an_unknown_tool_is_told_the_nearest(so8t: So8t) -> None:
    so8t("tools", "describe", "write_fil").failed("'write_fil'", "write_file")


def test_the_users_own_tools_are_listed_and_disabled_ones_are_not(so8t: So8t, folder: Path) -> None:
    text = 'from so8t.tools import tool\n@tool(effects={"send"})\ndef ring(bell: str) -> str:\n    """Ring a bell."""\n'
    (folder / "mine.py").write_text(text, encoding="utf-8")
    (folder / "agent.toml").write_text('[tools]\npaths = ["mine.py"]\ndisabled = ["calculator"]\n', encoding="utf-8")
    names = [tool["name"] for tool in so8t("tools", "list", "--json").json]
    assert "ring" in names
    assert "calculator" not in names


def test_config_shows_each_value_and_where_it_came_from(
    so8t: So8t, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "none" in so8t("config", "path").out
    assert so8t("config", "show", "--json").json[0]["gate.turns"] == {"value": "enforce", "origin": "default"}
    (folder / "agent.toml").write_text('[gate]\nturns = "off"\ndeadline = 3\n', encoding="utf-8")
    monkeypatch.setenv("SO8T_GATE__DEADLINE", "4.5")
    shown = so8t("config", "show", "--json").json[0]
    assert shown["gate.turns"] == {"value": "off", "origin": str(folder / "agent.toml")}
    assert shown["gate.deadline"] == {"value": 4.5, "origin": "environment"}
    out = so8t("config", "show").out
    assert f"file: {folder / 'agent.toml'}" in out
    assert len(out.splitlines()) == len(shown) + 2
    assert so8t("config", "path").out == f"{folder / 'agent.toml'}\n"


def test_another_file_may_be_named(so8t: So8t, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "other.toml").write_text("[budget]\nsteps = 3\n", encoding="utf-8")
    assert so8t("--config", "other.toml", "config", "show", "--json").json[0]["budget.steps"]["value"] == 3
    monkeypatch.setenv("SO8T_CONFIG", str(folder / "other.toml"))
    assert so8t("config", "show", "--json").json[0]["budget.steps"]["value"] == 3


def test_rules_are_shown_too(so8t: So8t, folder: Path) -> None:
    rule = '[[gate.rule]]\nname = "r"\ntool = "write_*"\ndecision = "refuse"\nreason = "だめ"\n'
    (folder / "agent.toml").write_text(rule, encoding="utf-8")
    assert so8t("config", "show", "--json").json[0]["gate.rule"]["value"][0]["reason"] == "だめ"
    assert "だめ" in so8t("config", "show").out


def test_the_models_are_listed_with_their_place(so8t: So8t) -> None:
    models = {model["name"]: model for model in so8t("models", "list", "--json").json}
    assert {"so8t-mini", "all-MiniLM-L6-v2"} == set(models)
    assert Path(models["so8t-mini"]["path"]).is_file()
    assert [line.split()[0] for line in so8t("models", "list").out.splitlines()] == list(models)


def test_the_model_in_the_box_is_there_and_sound(so8t: So8t) -> None:
    assert so8t("models", "pull", "so8t-mini").code == 0
    done = so8t("models", "verify", "so8t-mini")
    assert (done.code, done.err) == (0, "")


def test_a_model_that_is_not_here_is_said_to_be_and_how_to_get_it(
    so8t: So8t, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SO8T_CACHE", str(tmp_path / "empty"))
    assert "not here: so8t models pull" in so8t("models", "list").out
    done = so8t("models", "verify", "all-MiniLM-L6-v2")
    assert done.code == 1
    assert "so8t models pull all-MiniLM-L6-v2" in done.out
    doctor = so8t("doctor")
    assert doctor.code == 1
    assert "run `so8t models pull all-MiniLM-L6-v2`" in doctor.out


def test_a_cache_folder_that_cannot_be_is_one_line_that_says_what_to_do(
    so8t: So8t, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cache").touch()
    monkeypatch.setenv("SO8T_CACHE", str(tmp_path / "cache"))
    done = so8t("models", "pull", "all-MiniLM-L6-v2")
    assert done.code == 1
    assert done.err.splitlines()[-1].startswith("so8t: cannot write to ")
    assert "SO8T_CACHE" in done.err


def test_an_unknown_model_stops_everything_before_anything_is_fetched(
    so8t: So8t, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched: list[str] = []
    monkeypatch.setattr("so8t.agent.cli.models.pull", lambda name, *_: fetched.append(name))
    so8t("models", "pull", "so8t-mini", "so8t-maxi").failed("so8t-maxi", "so8t-mini")
    so8t("models", "verify", "so8t-maxi").failed("so8t-maxi", "so8t-mini")
    assert fetched == []


def test_the_doctor_finds_a_sound_installation_sound(so8t: So8t) -> None:
    done = so8t("doctor", "--json")
    assert done.code == 0, done
    assert [check["name"] for check in done.json] == [
        "python", "sqlite", "configuration", "trail", "tools", "backbone", "gate", "model"
    ]  # fmt: skip
    assert all(check["ok"] for check in done.json)


@pytest.mark.parametrize(
    ("text", "check", "says"),
    [
        ("[gate]\nturn = 1\n", "configuration", "gate.turns"),
        ('[tools]\npaths = ["nowhere.py"]\n', "tools", "nowhere.py"),
        ('[gate]\nhead = "nowhere"\n', "gate", "nowhere"),
        ('[gate]\nhead = "nowhere"\n', "backbone", "nowhere"),
        ('[model]\nllama_cpp.model = "nowhere.gguf"\n', "model", "nowhere.gguf"),
        ('[audit]\nurl = "nonsense"\n', "trail", "sqlite:///"),
    ],
)
def test_the_doctor_names_what_is_wrong_and_looks_at_the_rest(
    so8t: So8t, folder: Path, text: str, check: str, says: str
) -> None:
    (folder / "agent.toml").write_text(text, encoding="utf-8")
    done = so8t("doctor", "--json")
    assert done.code == 1
    found = {one["name"]: one for one in done.json}
    assert not found[check]["ok"]
    assert says in found[check]["text"]
    assert found["python"]["ok"]
    if check != "configuration":
        assert len(found) == 8
    assert json.dumps(found[check]["text"]).count("\\n") == 0
