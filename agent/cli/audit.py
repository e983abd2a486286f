"""`so8t audit`: read and check the trail."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import click

from so8t.agent.cli.app import EXIT_ERROR, App, Group, pass_app, print_json
from so8t.agent.cli.output import Screen, check_out, write_whole
from so8t.agent.story import story_lines
from so8t.agent.terminal import one_line
from so8t.audit_db import Record, Trail
from so8t.audit_db.errors import BadFilter

NUMBER = click.IntRange(1, 2**63 - 1)  # what a database counts with


@click.group("audit", cls=Group)
def command() -> None:
    """Read and check the trail.

    Example: so8t audit list --kind decision --decision REFUSE
    """


def filters(function: Callable[..., None]) -> Callable[..., None]:
    """The options that `list` and `export` share."""
    for option in (
        click.option("--until", type=iso_time, help="Only before this time."),
        click.option("--since", type=iso_time, help="Only from this time (ISO 8601; local unless it names a zone)."),
        click.option("--text", help="Only records that contain this text."),
        click.option("--session", help="Only this session."),
        click.option("--decision", help="Only this decision: ALLOW, ESCALATE or REFUSE."),
        click.option("--kind", help="Only this kind: message, decision, invalid, intent, outcome, review, ..."),
    ):
        function = option(function)
    return function


def iso_time(text: str) -> datetime:
    """A time as a person writes it, with a zone. Raises BadParameter."""
    try:
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError):
        raise click.BadParameter(f"{text!r} is no ISO 8601 time, such as 2026-11-24 or 2026-11-24T09:30") from None


@command.command("list")
@filters
@click.option("--limit", type=NUMBER, help="At most so many; the newest.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a record.")
@pass_app
def list_(app: App, /, as_json: bool, limit: int | None, **where: Any) -> None:
    """One line a record, oldest first.

    Example: so8t audit list --since 2026-11-24 --limit 50
    """
    with _trail(app) as trail:
        for record in _newest(trail.records(**where), limit):
            if as_json:
                print_json(record_json(record))
            else:
                click.echo(f"{record.seq:>6} {record.at[:19]}Z {record.kind:<9} {record.subject:<9} {_summary(record)}")


@command.command("show")
@click.argument("seq", type=NUMBER)
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@pass_app
def show(app: App, seq: int, as_json: bool) -> None:
    """One record, whole.

    Example: so8t audit show 42
    """
    with _trail(app) as trail:
        record = next(trail.records(after_seq=seq - 1, limit=1), None)
        if record is None or record.seq != seq:
            raise click.ClickException(f"there is no record {seq}")
        if as_json:
            print_json(record_json(record))
            return
        for line in story_lines([record]):
            click.echo(line)
        click.echo(f"    session {record.session}, hash {record.hash}, previous {record.previous}")


@command.command("verify")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@pass_app
def verify(app: App, as_json: bool) -> None:
    """Walk the whole chain; name the first record that is not what was written. Exit code 1 if there is one.

    Example: so8t audit verify
    """
    with _trail(app) as trail:
        found = trail.verify()
    if as_json:
        print_json({name: getattr(found, name) for name in ("ok", "rows", "first_bad", "problem", "anchored", "notes")})
    else:
        click.echo(f"{found.rows} records, " + ("the chain holds" if found.ok else f"BAD: {found.problem}"))
        for note in found.notes:
            click.echo(f"note: {note}")
        if found.ok and not found.anchored:
            click.echo("UNANCHORED: no checkpoint outside the database, so a cut tail or an old copy cannot be seen")
    if not found.ok:
        raise click.exceptions.Exit(EXIT_ERROR)


@command.command("export")
@filters
@click.option("--format", "form", type=click.Choice(["jsonl", "csv"]), default="jsonl", show_default=True)
@click.option("--out", "out_file", type=click.Path(path_type=Path), help="Write here instead of to stdout.")
@pass_app
def export(app: App, /, form: Literal["jsonl", "csv"], out_file: Path | None, **where: Any) -> None:
    """Write records as JSON lines or CSV.

    Example: so8t audit export --format csv --out trail.csv
    """
    from so8t.agent.build import database_url

    check_out(out_file, Path(database_url(app.config).removeprefix("sqlite:///")))
    with _trail(app) as trail:
        if out_file is None:
            trail.export(Screen() if sys.stdout.isatty() else sys.stdout, form, **where)
            return
        count = write_whole(out_file, lambda file: trail.export(file, form, **where))
    click.echo(f"{count} records written to {one_line(str(out_file))}", err=True)


def record_json(record: Record) -> dict[str, Any]:
    """A record as plain JSON values."""
    names = ("seq", "at", "session", "kind", "subject", "decision", "body", "previous", "hash")
    return {name: getattr(record, name) for name in names}


@contextmanager
def _trail(app: App) -> Iterator[Trail]:
    from so8t.agent.build import open_store

    with open_store(app.config) as store:
        try:
            yield Trail(store)
        except BadFilter as error:
            raise click.UsageError(str(error)) from None


def _newest(records: Iterator[Record], limit: int | None) -> Iterator[Record]:
    if limit is None:
        return records
    from collections import deque

    return iter(deque(records, maxlen=limit))


def _summary(record: Record) -> str:
    lines = list(story_lines([record]))
    head = f"{record.decision} " if record.decision else ""
    return head + one_line(lines[1] if len(lines) > 1 else "", 100)
