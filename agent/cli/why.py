"""`so8t why ID`: the whole story of one decision."""

from __future__ import annotations

import click

from so8t.agent.cli.app import App, pass_app, print_json
from so8t.agent.cli.audit import record_json
from so8t.agent.story import story_lines
from so8t.audit_db import Trail


@click.command("why")
@click.argument("id")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a record.")
@pass_app
def command(app: App, id: str, as_json: bool) -> None:
    """Tell the whole story of the call or turn ID: what was asked, who decided why, what came of it.

    Example: so8t why 7k2mq9xd
    """
    from so8t.agent.build import open_store

    store = open_store(app.config)
    try:
        records = Trail(store).story(id)
        if not records:
            raise click.ClickException(f"nothing is recorded under the id {id!r}: `so8t audit list` shows ids")
        for line in map(record_json, records) if as_json else story_lines(records):
            print_json(line) if as_json else click.echo(line)
    finally:
        store.close()
