"""`so8t review`: decide about the calls that wait."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from so8t.agent.cli.app import App, pass_app
from so8t.agent.terminal import one_line, safe_json

if TYPE_CHECKING:
    from so8t.agent.review.desk import Desk
    from so8t.audit_db import ReviewItem

reviewer_option = click.option("--reviewer", help="Your name in the trail; else review.reviewer, else your login.")
json_option = click.option("--json", "as_json", is_flag=True, help="JSON, one object a line.")


@click.group("review", invoke_without_command=True)
@reviewer_option
@click.pass_context
def command(context: click.Context, reviewer: str | None) -> None:
    """Decide about the calls that wait: a full-screen view in a terminal, else the list.

    Example: so8t review
    """
    if context.invoked_subcommand is not None:
        return
    app: App = context.obj
    if not _terminal():
        context.invoke(list_)
        return
    import asyncio

    from so8t.agent.review.screen import Screen

    with _desk(app, reviewer) as desk:
        asyncio.run(Screen(desk).run())


@command.command("list")
@click.option("--all", "everything", is_flag=True, help="Also what was decided, ran or expired.")
@json_option
@pass_app
def list_(app: App, everything: bool = False, as_json: bool = False) -> None:
    """One line a call that waits, oldest first: id, age, state, tool, effects, who asks, why.

    Example: so8t review list --all
    """
    from so8t.agent.review.output import item_json, item_line

    with _desk(app, "") as desk:
        items = desk.all() if everything else desk.waiting()
        for item in items:
            click.echo(safe_json(item_json(item)) if as_json else item_line(item, desk.now()))
        if not items and not as_json:
            click.echo("no call waits")


@command.command("show")
@click.argument("id")
@json_option
@pass_app
def show(app: App, id: str, as_json: bool) -> None:
    """One call, whole: its exact arguments, why it waits, who asks, until when.

    Example: so8t review show 7k2mq9xd
    """
    from so8t.agent.review.output import item_json, item_text

    with _desk(app, "") as desk:
        item = desk.item(id)
        click.echo(safe_json(item_json(item)) if as_json else item_text(item, desk.now()))


@command.command("approve")
@click.argument("id")
@click.option("--digest", metavar="SHA256", help="The digest that `so8t review show` told; without it you are asked.")
@click.option("--note", default="", help="A remark for the trail.")
@reviewer_option
@json_option
@click.pass_context
def approve(
    context: click.Context, id: str, digest: str | None, note: str, reviewer: str | None, as_json: bool
) -> None:
    """Let one call run, once. Only the call with the digest that you saw is approved.

    Example: so8t review approve 7k2mq9xd --digest 2f1c0d...
    """
    with _desk(context.obj, reviewer or _from_group(context)) as desk:
        seen = digest.strip().lower() if digest is not None else _ask(desk, id)
        done = desk.approve(id, seen, note)
        _tell(done, as_json, f"approved: {done.tool} ({done.id}) may run once")


@command.command("refuse")
@click.argument("id")
@click.option("--reason", required=True, help="Why; the agent and its user are told it.")
@reviewer_option
@json_option
@click.pass_context
def refuse(context: click.Context, id: str, reason: str, reviewer: str | None, as_json: bool) -> None:
    """Forbid one call.

    Example: so8t review refuse 7k2mq9xd --reason "not on a Friday"
    """
    with _desk(context.obj, reviewer or _from_group(context)) as desk:
        done = desk.refuse(id, reason)
        _tell(done, as_json, f"refused: {done.tool} ({done.id}) will not run")


def _ask(desk: Desk, id: str) -> str:
    """Show the call and ask for the word `approve`. Returns the digest of what was shown."""
    from so8t.agent.review.output import item_text
    from so8t.agent.review.typed import forget_typed_ahead

    item = desk.item(id)
    if item.state != "pending":
        raise click.ClickException(f"the review {item.id} is {item.state} already")
    if not _terminal():
        raise click.ClickException(
            f"there is no terminal to ask in: look at the call with `so8t review show {item.id}`, then name the digest "
            f"that it tells: so8t review approve {item.id} --digest SHA256"
        )
    click.echo(item_text(item, desk.now()))
    question = f"\nTo let {one_line(item.tool, 40)} {item.digest[:12]} run once, type approve"
    forget_typed_ahead()
    if click.prompt(question, default="", show_default=False) != "approve":
        raise click.ClickException(f"not approved: {item.id} goes on waiting")
    return item.digest


def _tell(item: ReviewItem, as_json: bool, text: str) -> None:
    from so8t.agent.review.output import item_json

    click.echo(safe_json(item_json(item)) if as_json else one_line(text))


@contextmanager
def _desk(app: App, reviewer: str | None) -> Iterator[Desk]:
    """The queue; what it raises becomes one line. `reviewer` None: by the configuration."""
    from so8t.agent.build import open_store
    from so8t.agent.review.desk import Desk
    from so8t.audit_db import ReviewError, TrailError

    try:
        with open_store(app.config) as store:
            yield Desk(store, _name(app) if reviewer is None else reviewer)
    except (ReviewError, TrailError) as error:
        raise click.ClickException(one_line(str(error), 2000)) from None


def _name(app: App) -> str:
    if app.config.settings.review.reviewer:
        return app.config.settings.review.reviewer
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        raise click.ClickException("nobody is logged in by name: give yours with --reviewer NAME") from None


def _from_group(context: click.Context) -> str | None:
    """--reviewer between `review` and the subcommand."""
    return context.parent.params.get("reviewer") if context.parent else None


def _terminal() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()
