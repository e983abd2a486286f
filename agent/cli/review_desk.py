"""What the commands of `so8t review` share: the queue, the reviewer's name, options, exit codes."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from so8t.agent.cli.app import EXIT_REFUSED, App
from so8t.agent.terminal import one_line, safe_json

if TYPE_CHECKING:
    from so8t.agent.review.desk import Desk
    from so8t.audit_db import ReviewItem

reviewer_option = click.option("--reviewer", help="Your name in the trail; else review.reviewer, else your login.")
json_option = click.option("--json", "as_json", is_flag=True, help="JSON, one object a line.")
token_option = click.option("--token", type=click.IntRange(min=1), help="Of your claim; an old one decides nothing.")


class Taken(click.ClickException):
    """Somebody else was first: the item is decided, expired, or claimed by another."""

    exit_code = 7


class EditFailed(click.ClickException):
    """The edited call is refused."""

    exit_code = EXIT_REFUSED


@contextmanager
def open_desk(context: click.Context, reviewer: str | None = None) -> Iterator[Desk]:
    """The queue; what it raises becomes one line and an exit code.

    Args:
        reviewer: None: the option between `review` and the subcommand, else by the configuration; "": it only looks.
    """
    from so8t.agent.build import open_store
    from so8t.agent.review.desk import Desk
    from so8t.audit_db import ReviewError, TrailError

    app: App = context.obj
    named = reviewer if reviewer is not None else _from_group(context)
    try:
        with open_store(app.config) as store:
            yield Desk(store, _name(app) if named is None else named)
    except (ReviewError, TrailError) as error:
        raise failure(error) from None


def failure(error: Exception) -> click.ClickException:
    """One line about what went wrong, with its exit code."""
    from so8t.audit_db.errors import ClaimLost, EditRefused, Expired, HeldByAnother, NotPending

    text = one_line(str(error), 2000)
    if isinstance(error, NotPending | Expired | HeldByAnother | ClaimLost):
        return Taken(text)
    return EditFailed(text) if isinstance(error, EditRefused) else click.ClickException(text)


def tell(item: ReviewItem, as_json: bool, text: str) -> None:
    """What became of an item: the whole of it as JSON, or one line."""
    from so8t.agent.review.output import item_json

    click.echo(safe_json(item_json(item)) if as_json else one_line(text, 2000))


def terminal() -> bool:
    """Whether somebody can be asked."""
    return sys.stdin.isatty() and sys.stdout.isatty()


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
