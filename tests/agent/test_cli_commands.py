"""The command line as a whole: help, exit codes, what is said about a wrong command."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from so8t.agent.cli.main import COMMANDS, added, cli

So8t = Callable[..., Any]


def everything(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield (*path, name)
        if isinstance(command, click.Group):
            yield from everything(command, (*path, name))


@pytest.mark.parametrize("path", [(), *everything(cli)], ids=" ".join)
def test_every_command_has_help_with_an_example_of_itself(so8t: So8t, path: tuple[str, ...]) -> None:
    done = so8t(*path, "--help")
    assert done.code == 0
    assert done.out.startswith(f"Usage: {' '.join(('so8t', *path))} ")
    example = done.out.partition("Example: ")[2]
    assert example.startswith(" ".join(("so8t", *path)))


def test_the_help_lists_every_command(so8t: So8t) -> None:
    out = so8t("--help").out
    for name, about in COMMANDS.items():
        assert f"{name} " in out
        assert about in out


@pytest.mark.parametrize(
    "arguments",
    [
        ("nonsense",), ("runn",), ("--nonsense",), ("run",), ("run", "-p"), ("run", "-p", "x", "more"), ("why",),
        ("audit", "show", "0"), ("audit", "show", "x"), ("audit", "list", "--limit", "0"),
        ("audit", "list", "--since", "yesterday"), ("audit", "list", "--until", "0001-01-01"),
        ("audit", "list", "--limit", str(2**70)), ("audit", "lst"), ("models", "fetch"),
        ("audit", "list", "--kind", "nonsense"),
        ("audit", "list", "--decision", "MAYBE"), ("audit", "export", "--format", "xml"), ("gate", "check"),
        ("gate", "check", "--cases"), ("tools", "describe"), ("config", "show", "more"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_a_wrong_command_line_is_one_clear_line_and_how_to_use_it(so8t: So8t, arguments: tuple[str, ...]) -> None:
    done = so8t(*arguments)
    done.failed(code=2)
    assert done.out == ""


def test_a_misspelt_command_is_told_the_right_one(so8t: So8t) -> None:
    so8t("modles").failed("modles", "models", code=2)


@pytest.mark.parametrize("text", ["\x1b[2J", "\x9b31m", "‮txt", "a\nb", "\x07"], ids=ascii)
def test_terminal_bytes_in_an_argument_never_reach_the_terminal(so8t: So8t, text: str) -> None:
    for arguments in (
        (text,), ("--" + text,), ("why", text), ("tools", "describe", text), ("models", "verify", text),
        ("models", "pull", text), ("--config", text, "config", "show"), ("audit", "list", "--kind", text),
        ("audit", "list", "--since", text), ("review", "show", text), ("gate", "check", "--cases", text),
        ("audit", "list", "--text", text, "--session", text, "--decision", text),
        ("review", "approve", text, "--digest", text), ("run", "-p", "x", text),
        ("audit", "export", "--out", text + "/x"),
    ):  # fmt: skip
        done = so8t(*arguments)
        assert done.code in (1, 2)
        assert text not in done.out + done.err


@pytest.mark.parametrize("arguments", [("run", "-p", "a\udcff"), ("why", "\udcff"), ("--config", "\udcff", "doctor")])
def test_an_argument_that_is_no_utf8_is_a_wrong_command_line(so8t: So8t, arguments: tuple[str, ...]) -> None:
    done = so8t(*arguments)
    done.failed("\\udcff", "UTF-8", code=2)
    assert done.out == ""


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], None]]:
    """Installs a package whose entry points are the given lines and whose module `pet_shop` is the given code."""

    def install(lines: str, code: str) -> None:
        folder = tmp_path / "pet_shop-1.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: pet-shop\nVersion: 1.0\n", encoding="utf-8")
        (folder / "entry_points.txt").write_text(f"[so8t.commands]\n{lines}\n", encoding="utf-8")
        (tmp_path / "pet_shop.py").write_text(code, encoding="utf-8")
        monkeypatch.syspath_prepend(str(tmp_path))
        added.cache_clear()

    before = dict(cli.commands)
    yield install
    added.cache_clear()
    cli.commands.clear()
    cli.commands.update(before)
    sys.modules.pop("pet_shop", None)


FEED = "import click\n@click.command(short_help='Feed the cat.')\ndef feed(): click.echo('purr')\n"


def test_another_package_adds_a_command(so8t: So8t, plugin: Callable[[str, str], None]) -> None:
    plugin("feed = pet_shop:feed", FEED)
    assert "Feed the cat." in so8t("--help").out
    assert so8t("feed").out == "purr\n"


@pytest.mark.parametrize(
    ("line", "code"),
    [("feed = pet_shop:feed", "1 / 0"), ("feed = pet_shop:lost", ""), ("feed = pet_shop:feed", "feed = 3")],
    ids=["its code fails", "it is not there", "it is no command"],
)
def test_a_command_that_cannot_be_loaded_is_a_clear_error_and_leaves_the_help(
    so8t: So8t, plugin: Callable[[str, str], None], line: str, code: str
) -> None:
    plugin(line, code)
    done = so8t("feed")
    assert done.code == 1
    assert "the command feed (pet_shop:" in done.err
    assert all(name in so8t("--help").out for name in ("chat", "doctor"))


def test_no_package_takes_the_place_of_a_command_of_ours(so8t: So8t, plugin: Callable[[str, str], None]) -> None:
    plugin("audit = pet_shop:feed", FEED)
    assert "purr" not in so8t("audit", "verify").out
