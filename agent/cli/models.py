"""`so8t models`: get and check models."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from so8t.agent.cli.app import EXIT_ERROR, App, Group, pass_app, print_json
from so8t.agent.terminal import safe
from so8t.gate.models.catalogue import Model, find, known
from so8t.gate.models.fetch import pull, verify
from so8t.gate.models.located import path


@click.group("models", cls=Group)
def command() -> None:
    """Get and check models.

    Example: so8t models pull
    """


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a model.")
@pass_app
def list_(app: App, as_json: bool) -> None:
    """The models that so8t knows by name, and whether they are here.

    Example: so8t models list
    """
    for model in known().values():
        where = path(model.name)
        if as_json:
            print_json({"name": model.name, "kind": model.kind, "licence": model.licence, "path": where and str(where)})
        else:
            click.echo(f"{model.name:<20} {model.kind:<9} {model.licence:<11} {where or 'not here: so8t models pull'}")


@command.command("pull")
@click.argument("names", nargs=-1)
@pass_app
def pull_(app: App, names: tuple[str, ...]) -> None:
    """Download models and check their SHA-256. Without NAMES: what the default configuration needs.

    Example: so8t models pull all-MiniLM-L6-v2
    """
    for name in _chosen(names):
        click.echo(f"{name}: {pull(name) if path(name) else _download(name)}")


def _download(name: str) -> Path:
    """Pull, with a bar that shows how far it is."""
    with click.progressbar(length=1, label=name, file=sys.stderr, show_eta=False) as bar:

        def show(done: int, total: int | None) -> None:
            bar.length = total or 1
            bar.update(done - bar.pos)

        return pull(name, show)


@command.command("verify")
@click.argument("names", nargs=-1)
@pass_app
def verify_(app: App, names: tuple[str, ...]) -> None:
    """Hash the files again. Exit code 1 if one is missing or changed.

    Example: so8t models verify
    """
    bad = False
    for name in _chosen(names):
        problems = verify(name)
        bad |= bool(problems)
        for problem in problems:
            click.echo(f"{name}: {problem.file}: {safe(problem.text)}: run `so8t models pull {name}`")
        if not problems:
            click.echo(f"{name}: {_sound(known()[name])}")
    if bad:
        raise click.exceptions.Exit(EXIT_ERROR)


def _chosen(names: tuple[str, ...]) -> tuple[str, ...]:
    """Raises UnknownModel, before anything is done."""
    return tuple(find(name).name for name in names or known())


def _sound(model: Model) -> str:
    return "as expected" if model.weights.sha256 else "there (no hash to compare with)"
