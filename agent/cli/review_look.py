"""`so8t review list`, `show`, `history` and `figures`: everything that only looks."""

from __future__ import annotations

from datetime import timedelta

import click

from so8t.agent.cli.app import print_json
from so8t.agent.cli.review_desk import json_option, open_desk


@click.command("list")
@click.option("--all", "everything", is_flag=True, help="Also what was decided, ran or expired.")
@json_option
@click.pass_context
def list_(context: click.Context, everything: bool = False, as_json: bool = False) -> None:
    """One line a call that waits, oldest first: id, age, state, tool, effects, who asks, why.

    Example: so8t review list --all
    """
    from so8t.agent.review.output import item_json, item_line

    with open_desk(context, "") as desk:
        items = desk.all() if everything else desk.waiting()
        for item in items:
            print_json(item_json(item)) if as_json else click.echo(item_line(item, desk.now()))
        if not items and not as_json:
            click.echo("no call waits")


@click.command("show")
@click.argument("id")
@json_option
@click.pass_context
def show(context: click.Context, id: str, as_json: bool) -> None:
    """One call, whole: its exact arguments, why it waits, who asks, until when.

    Example: so8t review show 7k2mq9xd
    """
    from so8t.agent.review.output import item_json, item_text

    with open_desk(context, "") as desk:
        item = desk.item(id)
        print_json(item_json(item)) if as_json else click.echo(item_text(item, desk.now()))


@click.command("history")
@click.argument("id", required=False)
@click.option("--limit", type=click.IntRange(1, 100_000), default=20, show_default=True, help="Without ID: so many.")
@json_option
@click.pass_context
def history(context: click.Context, id: str | None, limit: int, as_json: bool) -> None:
    """What was decided lately, the newest first; with an ID every record of that call, the oldest first.

    Example: so8t review history 7k2mq9xd
    """
    from so8t.agent.review.output import history_line, item_json

    with open_desk(context, "") as desk:
        if id is not None:
            from so8t.agent.cli.audit import record_json
            from so8t.agent.story import story_lines

            records = desk.records(id)
            for line in map(record_json, records) if as_json else story_lines(records):
                print_json(line) if as_json else click.echo(line)
            return
        items = desk.lately(limit)
        for item in items:
            print_json(item_json(item)) if as_json else click.echo(history_line(item))
        if not items and not as_json:
            click.echo("nothing was decided yet")


@click.command("figures")
@click.option("--days", type=click.IntRange(1, 36_500), help="Only what was decided in the last so many days.")
@json_option
@click.pass_context
def figures(context: click.Context, days: int | None, as_json: bool) -> None:
    """What waits, and what the gate costs people: the oldest, the median time to a decision, what was let through.

    Example: so8t review figures --days 30
    """
    from so8t.agent.review.output import figures_json, figures_line

    with open_desk(context, "") as desk:
        now = desk.now()
        found = desk.figures(None if days is None else now - timedelta(days=days))
        print_json(figures_json(found, now)) if as_json else click.echo(figures_line(found, now))
