"""`so8t config`: the settings and where they come from."""

from __future__ import annotations

import json

import click

from so8t.agent.cli.app import App, Group, pass_app, print_json
from so8t.agent.config import flatten
from so8t.agent.terminal import safe


@click.group("config", cls=Group)
def command() -> None:
    """The settings and where they come from.

    Example: so8t config show
    """


@command.command("show")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@pass_app
def show(app: App, as_json: bool) -> None:
    """Print every setting with its value and its origin.

    Example: so8t config show --json
    """
    config = app.config
    rows = [
        (key, json.loads(json.dumps(value, default=_plain)), config.origin(key))
        for key, value in flatten(config.settings)
    ]
    if as_json:
        print_json({key: {"value": value, "origin": origin} for key, value, origin in rows})
        return
    click.echo(f"file: {config.file or 'none (defaults)'}\n")
    width = max(len(key) for key, _, _ in rows)
    for key, value, origin in rows:
        click.echo(f"{key:<{width}}  {safe(json.dumps(value, ensure_ascii=False), lines=False)}  ({safe(origin)})")


@command.command("path")
@pass_app
def path(app: App) -> None:
    """Print the path of the agent.toml in use.

    Example: so8t config path
    """
    click.echo(app.config.file or "none: so8t runs on its defaults")


def _plain(value: object) -> object:
    return value.model_dump(mode="json") if hasattr(value, "model_dump") else str(value)
