"""`so8t review edit` and `reopen`: other arguments, another chance."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import IO, TYPE_CHECKING

import click

from so8t.agent.cli.app import App
from so8t.agent.cli.review_desk import json_option, open_desk, reviewer_option, tell, terminal, token_option
from so8t.agent.terminal import safe_json

if TYPE_CHECKING:
    from so8t.agent.review.desk import Desk
    from so8t.audit_db import ReviewItem


@click.command("edit")
@click.argument("id")
@click.option("--arguments", metavar="JSON", help="The new arguments, all of them, as one JSON object.")
@click.option("--file", type=click.File(encoding="utf-8"), help="Read them from here; - is standard input.")
@click.option("--digest", metavar="SHA256", help="Of the call that you edited; another one waiting is an error.")
@click.option("--note", default="", help="A remark for the trail.")
@token_option
@reviewer_option
@json_option
@click.pass_context
def edit(
    context: click.Context,
    id: str,
    arguments: str | None,
    file: IO[str] | None,
    digest: str | None,
    note: str,
    token: int | None,
    reviewer: str | None,
    as_json: bool,
) -> None:
    """Change the arguments of one call that waits; without --arguments and --file in your editor.

    The tool checks them and the gate judges the call again: what it refuses is recorded and changes nothing (exit
    code 4). The edited call goes on waiting; to let it run, approve the new digest.

    Example: so8t review edit 7k2mq9xd --arguments '{"path": "notes.txt", "content": "hello"}'
    """
    if arguments is not None and file is not None:
        raise click.UsageError("give either --arguments or --file")
    with open_desk(context, reviewer) as desk:
        item = desk.decidable(id, token)
        text = arguments if arguments is not None else file.read() if file is not None else _written(item)
        seen = item if digest is None else replace(item, digest=digest.strip().lower())
        done = _edited(context.obj, desk, seen, text, note, token)
        tell(done, as_json, f"edited: {done.tool} ({done.id}) goes on waiting, with the digest {done.digest}")


@click.command("reopen")
@click.argument("id")
@click.option("--reason", required=True, help="Why; it stands in the trail.")
@click.option("--hours", type=click.FloatRange(0, 8760, min_open=True), help="How long; else review.expires_hours.")
@reviewer_option
@json_option
@click.pass_context
def reopen(
    context: click.Context, id: str, reason: str, hours: float | None, reviewer: str | None, as_json: bool
) -> None:
    """Let a call that was refused, or that expired, wait again, with a new deadline.

    Example: so8t review reopen 7k2mq9xd --reason "the customer asked again"
    """
    app: App = context.obj
    with open_desk(context, reviewer) as desk:
        ttl = timedelta(hours=app.config.settings.review.expires_hours if hours is None else hours)
        item = desk.reopen(id, reason, ttl)
        tell(item, as_json, f"reopened: {item.tool} ({item.id}) waits again")


def _edited(app: App, desk: Desk, seen: ReviewItem, text: str, note: str, token: int | None) -> ReviewItem:
    from so8t.agent.build import open_toolbox
    from so8t.agent.review.edited import judged, parsed

    toolbox = open_toolbox(app.config)
    call = parsed(toolbox, seen, text)
    verdict = asyncio.run(judged(app.config, toolbox, desk.trail, seen, call))
    return desk.edit(seen, call, verdict, note, token)


def _written(item: ReviewItem) -> str:
    """The arguments as the reviewer's editor left them, one name a line."""
    if not terminal():
        raise click.UsageError("there is no terminal for an editor: give the arguments with --arguments or --file")
    from so8t.gate.strict_json import loads

    lines = [f"  {safe_json(name)}: {safe_json(value)}" for name, value in loads(item.arguments_json).items()]
    text = click.edit("{\n" + ",\n".join(lines) + "\n}\n", extension=".json", require_save=True)
    if text is None:
        raise click.ClickException(f"nothing was saved: {item.id} goes on waiting as it was")
    return text
