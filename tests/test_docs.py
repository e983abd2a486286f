"""What the documents and the messages say can be done, can be done."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from so8t.agent.cli.main import cli
from so8t.agent.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = sorted(str(path.relative_to(ROOT)) for path in (*ROOT.glob("*.md"), *ROOT.glob("*/*.md")))
CODE = ("agent", "audit_db", "gate", "tools", "training")
PLACEHOLDER = re.compile(r"\{[^{}]*\}")
So8t = Callable[..., Any]


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def fenced(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def told(text: str) -> Iterator[str]:
    """Every command that a text tells to type: in backticks, or a line of a block without a language."""
    blocks = fenced(text, "")
    lines = [line.partition("  ")[0].partition(" #")[0] for block in blocks for line in block.splitlines()]
    quoted = re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL))
    for line in (*lines, *quoted):
        if match := re.match(r"(?:\S*/)?so8t(?: |$)", line):
            yield line[match.end() :].strip()


def check(words: str) -> None:
    """The command is there and has the options. Fails otherwise."""
    command: click.Command = cli
    context = click.Context(cli, info_name="so8t")
    for word in shlex.split(PLACEHOLDER.sub("X", words).replace("RECIPE", "run")):  # what it is short for
        if word.startswith("-"):
            names = {name for parameter in command.get_params(context) for name in parameter.opts}
            assert word in names, f"so8t {words}: {command.name} has no option {word}"
        elif isinstance(command, click.Group) and word != "COMMAND":
            found = command.resolve_command(context, [word])[1]  # raises UsageError for an unknown one
            assert found is not None
            command = found


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_command_in_a_document_exists(name: str) -> None:
    for words in told(read(name)):
        check(words)


def test_the_readme_tells_the_commands_that_matter() -> None:
    words = {tuple(command.split()[:2]) for command in told(read("README.md"))}
    needed = {("chat",), ("doctor",), ("models", "pull"), ("review",), ("audit", "verify"), ("why", "ID")}
    assert needed <= words


@pytest.mark.parametrize("words", ["revue", "audit lst", "audit list --sins x", "chat --fast"])
def test_the_check_finds_a_command_that_does_not_exist(words: str) -> None:
    with pytest.raises((click.UsageError, AssertionError)):
        check(words)


def test_every_command_in_a_message_exists() -> None:
    seen = 0
    for file in (file for folder in CODE for file in sorted((ROOT / folder).rglob("*.py"))):
        for words in re.findall(r"`so8t ([^`]+)`", file.read_text(encoding="utf-8")):
            check(re.sub(r"\s*\"\n\s*f?\"", " ", words))  # a message that is written on two lines
            seen += 1
    assert seen > 10


def test_every_command_in_the_manual_exists() -> None:
    for words in re.findall(r"`so8t ([^`]+)`", read("agent.toml")):
        check(words)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_link_to_a_file_leads_somewhere(name: str) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", read(name)):
        assert "://" in target or (ROOT / name).parent.joinpath(target).exists(), target


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_make_target_in_a_document_exists(name: str) -> None:
    targets = set(re.findall(r"^([a-z]+):", read("Makefile"), re.MULTILINE))
    text = read(name)
    typed = re.findall(r"`make ([a-z]+)`", text) + re.findall(
        r"^make ([a-z]+)", "\n".join(fenced(text, "")), re.MULTILINE
    )
    assert set(typed) <= targets


def test_every_place_in_the_readmes_tree_exists() -> None:
    tree = read("README.md").partition("## What is where")[2].partition("```\n")[2].partition("```")[0]
    folder = ""
    lines = tree.splitlines()
    for line in lines:
        path = line.split()[0]
        folder = folder if line.startswith(" ") else path.rstrip("/")
        place = ROOT / folder / path if line.startswith(" ") else ROOT / path
        assert place.exists(), line
    assert len(lines) > 15


def test_the_newcomers_reading_list_exists() -> None:
    listed = read("README.md").partition("A newcomer reads:")[2].partition("\n\n")[0]
    paths = re.findall(r"`([^`]+)`", listed)
    assert len(paths) > 2
    assert all((ROOT / path).is_file() for path in paths)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_configuration_in_a_document_is_valid(name: str) -> None:
    for block in fenced(read(name), "toml"):
        Settings.model_validate(tomllib.loads(block))


def test_the_tool_in_the_readme_works(so8t: So8t, folder: Path) -> None:
    """With the configuration that stands beside it."""
    (code,) = (block for block in fenced(read("README.md"), "python") if "@tool" in block)
    (table,) = (block for block in fenced(read("README.md"), "toml") if "paths" in block)
    (file,) = tomllib.loads(table)["tools"]["paths"]
    (folder / file).write_text(code, encoding="utf-8")
    (folder / "agent.toml").write_text(table, encoding="utf-8")
    name = re.findall(r"def (\w+)", code)[0]
    assert name in [tool["name"] for tool in so8t("tools", "list", "--json").json]
    assert f"/call {name} " in read("README.md")


def test_every_chat_command_in_the_readme_exists() -> None:
    from so8t.agent.chat.commands import COMMANDS

    named = set(re.findall(r"(?:^› |`)(/[a-z]+)\b", read("README.md"), re.MULTILINE))
    assert "/call" in named
    assert named <= set(COMMANDS)
