"""`so8t tools`: the tools that the agent has."""

from __future__ import annotations

import json
from typing import Any

import click

from so8t.agent.cli.app import App, Group, pass_app, print_json
from so8t.agent.terminal import one_line, safe
from so8t.gate.contract import ToolSpec


@click.group("tools", cls=Group)
def command() -> None:
    """The tools that the agent has.

    Example: so8t tools list
    """


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a tool.")
@pass_app
def list_(app: App, as_json: bool) -> None:
    """Name, effects and purpose of every tool.

    Example: so8t tools list --json
    """
    from so8t.agent.build import open_toolbox

    for spec in open_toolbox(app.config).specs:
        if as_json:
            print_json(_json(spec))
        else:
            click.echo(f"{spec.name:<16} {'+'.join(_effects(spec)):<14} {one_line(spec.description, 90)}")


@command.command("describe")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@pass_app
def describe(app: App, name: str, as_json: bool) -> None:
    """Everything that the model and the gate are told about one tool.

    Example: so8t tools describe write_file
    """
    from so8t.agent.build import open_toolbox

    spec = open_toolbox(app.config).get(name).spec
    if as_json:
        print_json(_json(spec))
        return
    click.echo(f"{spec.name}  ({', '.join(_effects(spec))})\n\n{safe(spec.description)}\n")
    click.echo(safe(json.dumps(spec.parameters, indent=2, ensure_ascii=False)))


def _effects(spec: ToolSpec) -> list[str]:
    return sorted(effect.value for effect in spec.effects or ())


def _json(spec: ToolSpec) -> dict[str, Any]:
    return {
        "name": spec.name,
        "description": spec.description,
        "effects": _effects(spec),
        "parameters": dict(spec.parameters),
    }
