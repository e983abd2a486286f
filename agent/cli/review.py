"""`so8t review`: decide about the calls that wait."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from so8t.agent.cli import review_change, review_claim, review_look
from so8t.agent.cli.app import print_json
from so8t.agent.cli.review_desk import failure, json_option, open_desk, reviewer_option, tell, terminal, token_option
from so8t.agent.terminal import one_line

if TYPE_CHECKING:
    from so8t.agent.review.desk import Desk


@click.group("review", invoke_without_command=True)
@reviewer_option
@click.pass_context
def command(context: click.Context, reviewer: str | None) -> None:
    """Decide about the calls that wait: a full-screen view in a terminal, else the list.

    Programs may do it too, with --json and a reviewer's name. Exit codes: 0 it is done; 1 an error, such as an unknown
    ID or another digest; 2 a wrong command line; 4 the edited call is refused; 7 somebody else was first: the call is
    decided, expired, or claimed by another.

    Example: so8t review
    """
    if context.invoked_subcommand is not None:
        return
    if not terminal():
        context.invoke(review_look.list_)
        return
    import asyncio

    from so8t.agent.review.screen import Screen

    with open_desk(context, reviewer) as desk:
        asyncio.run(Screen(desk).run())


@command.command("approve")
@click.argument("id")
@click.option("--digest", metavar="SHA256", help="The digest that `so8t review show` told; without it you are asked.")
@click.option("--note", default="", help="A remark for the trail.")
@token_option
@reviewer_option
@json_option
@click.pass_context
def approve(
    context: click.Context,
    id: str,
    digest: str | None,
    note: str,
    token: int | None,
    reviewer: str | None,
    as_json: bool,
) -> None:
    """Let one call run, once. Only the call with the digest that you saw is approved.

    Example: so8t review approve 7k2mq9xd --digest 2f1c0d...
    """
    with open_desk(context, reviewer) as desk:
        seen = digest.strip().lower() if digest is not None else _ask(desk, id, token)
        done = desk.approve(id, seen, note, token)
        tell(done, as_json, f"approved: {done.tool} ({done.id}) may run once")


@command.command("refuse")
@click.argument("ids", metavar="ID...", nargs=-1, required=True)
@click.option("--reason", required=True, help="Why; the agent and its user are told it.")
@token_option
@reviewer_option
@json_option
@click.pass_context
def refuse(
    context: click.Context, ids: tuple[str, ...], reason: str, token: int | None, reviewer: str | None, as_json: bool
) -> None:
    """Forbid one call or many; each is decided for itself. There is no such command for approving.

    Example: so8t review refuse 7k2mq9xd 3n8pz0ab --reason "not on a Friday"
    """
    from so8t.audit_db import ReviewError

    if token is not None and len(ids) > 1:
        raise click.UsageError("a token belongs to one claim: with --token name one ID")
    failed: list[tuple[str, click.ClickException]] = []
    with open_desk(context, reviewer) as desk:
        for id in dict.fromkeys(ids):
            try:
                done = desk.refuse(id, reason, token)
                tell(done, as_json, f"refused: {done.tool} ({done.id}) will not run")
            except ReviewError as error:
                failed.append((id, failure(error)))
    _tell_failed(failed, as_json)


for _look in (review_look.list_, review_look.show, review_look.history, review_look.figures):
    command.add_command(_look)
for _change in (review_claim.claim, review_claim.renew, review_claim.release, review_change.edit, review_change.reopen):
    command.add_command(_change)


def _tell_failed(failed: list[tuple[str, click.ClickException]], as_json: bool) -> None:
    """Each failure on a line of its own; the last one ends the program with its exit code."""
    for id, error in failed if as_json else ():
        print_json({"id": id, "error": error.message})
    for _, error in failed[:-1]:
        click.echo(f"so8t: {error.message}", err=True)
    if failed:
        raise failed[-1][1]


def _ask(desk: Desk, id: str, token: int | None) -> str:
    """Show the call and ask for the word `approve`. Returns the digest of what was shown."""
    from so8t.agent.review.output import item_text
    from so8t.agent.review.typed import forget_typed_ahead

    item = desk.decidable(id, token)
    if not terminal():
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
