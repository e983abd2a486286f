"""`so8t doctor`: find what is missing or wrong, and say the fix."""

from __future__ import annotations

import asyncio
import platform
import sqlite3
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import click

from so8t.agent.cli.app import EXIT_ERROR, App, pass_app, print_json
from so8t.agent.cli.failure import said
from so8t.agent.terminal import one_line


class Unsound(Exception):
    """A check failed; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    name: str
    ok: bool
    text: str  # what was found, or what is wrong and what to do


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a check.")
@pass_app
def command(app: App, as_json: bool) -> None:
    """Check the configuration, the models, the gate, the tools and the trail. Exit code 1 if something is wrong.

    Example: so8t doctor
    """
    checks = []
    for check in _checks(app):
        checks.append(check)
        if as_json:
            print_json({"name": check.name, "ok": check.ok, "text": check.text})
        else:
            click.echo(f"{'ok ' if check.ok else 'BAD'}  {check.name:<14} {one_line(check.text, 500)}")
    if not all(check.ok for check in checks):
        raise click.exceptions.Exit(EXIT_ERROR)


def _checks(app: App) -> Iterator[Check]:
    yield Check("python", sys.version_info >= (3, 11), f"Python {platform.python_version()} on {platform.system()}")
    yield Check("sqlite", True, f"SQLite {sqlite3.sqlite_version}")
    config = _try("configuration", lambda: f"{app.config.file or 'no agent.toml: the defaults'}")
    yield config
    if not config.ok:
        return
    for name, look in (
        ("trail", _trail),
        ("tools", _tools),
        ("backbone", _backbone),
        ("gate", _gate),
        ("model", _model),
    ):
        yield _try(name, lambda look=look: look(app))  # type: ignore[misc]  # the default binds the loop's value


def _try(name: str, look: Callable[[], str]) -> Check:
    try:
        return Check(name, True, look())
    except Exception as error:  # noqa: BLE001 - whatever is wrong is what the doctor is there to tell
        return Check(name, False, said(error))


def _trail(app: App) -> str:
    from so8t.agent.build import open_store
    from so8t.audit_db import Trail

    store = open_store(app.config)
    try:
        found = Trail(store).verify()
    finally:
        store.close()
    if not found.ok:
        raise Unsound(f"{found.problem}: keep a copy of the database and look with `so8t audit verify`")
    return f"{store.name}: {found.rows} records, the chain holds"


def _tools(app: App) -> str:
    from so8t.agent.build import open_toolbox, workspace_folder

    return f"{len(open_toolbox(app.config))} tools in {workspace_folder(app.config)}"


def _backbone(app: App) -> str:
    """The model that the head reads through: an encoder of the catalogue, or a GGUF file."""
    from so8t.agent.build import backbone_file, head_folder
    from so8t.gate.backbones.decoder import PREFIX
    from so8t.gate.head import Head
    from so8t.gate.models.cache import sha256_of
    from so8t.gate.models.fetch import verify
    from so8t.gate.models.located import path

    name, _, sha256 = Head.load(head_folder(app.config)).meta.backbone.partition("@")
    if name.startswith(PREFIX):
        if sha256_of(file := backbone_file(app.config)) != sha256:
            raise Unsound(f"{file} is not the file that the head was trained on: put that one there, or train again")
        return f"{name}: {file} is as expected"
    if path(name) is None:
        raise Unsound(f"{name} is not here yet: run `so8t models pull {name}`")
    if problems := verify(name):
        raise Unsound(f"{problems[0].file}: {problems[0].text}: run `so8t models pull {name}`")
    return f"{name}: its files are as expected"


def _gate(app: App) -> str:
    from so8t.agent.build import open_gate
    from so8t.gate.contract import Decision, Message, Proposal, Source

    async def ask() -> str:
        async with open_gate(app.config) as gate:
            if problem := gate.ready():
                raise Unsound(problem)
            verdict = await gate.decide(Proposal((Message("user", "What time is it?"),)))
            if verdict.source is Source.FAULT:
                raise Unsound("; ".join(verdict.reasons))
            decided = f"{Decision(verdict.decision).name} for a harmless question in {verdict.ms:.0f} ms"
            return f"head {app.config.settings.gate.head}: {decided}"

    return asyncio.run(ask())


def _model(app: App) -> str:
    from so8t.agent.build import open_engine

    async def start() -> str:
        engine = open_engine(app.config)
        try:
            await engine.start()
        finally:
            await engine.close()
        return f"{app.config.settings.model.engine}: {engine.name} answers"

    return asyncio.run(start())
