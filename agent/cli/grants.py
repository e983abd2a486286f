"""`so8t grants`: what people let pass beforehand."""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click

from so8t.agent.cli.app import App, Group, pass_app, print_json
from so8t.agent.cli.audit import iso_time, record_json
from so8t.agent.cli.grants_output import grant_json, grant_line, grant_text
from so8t.agent.story import story_lines
from so8t.agent.terminal import one_line

if TYPE_CHECKING:
    from so8t.audit_db import Grants

DAY = timedelta(hours=24)  # of a grant that names no end

json_option = click.option("--json", "as_json", is_flag=True, help="JSON, one object a line.")


class Over(click.ClickException):
    """The grant is used up, expired or revoked already."""

    exit_code = 7


@click.group("grants", cls=Group, invoke_without_command=True)
@click.option("--all", "everything", is_flag=True, help="Also those that are over, and those of other folders.")
@json_option
@click.pass_context
def command(context: click.Context, everything: bool, as_json: bool) -> None:
    """What people let pass beforehand: calls of one tool whose every argument is stated. Without a command: the list.

    A grant turns ESCALATE into ALLOW; it never touches REFUSE, a policy rule or a fault. Exit codes: 0 it is done; 1 an
    error, such as an unknown ID; 2 a wrong command line; 7 the grant is over already.

    Example: so8t grants --all
    """
    if context.invoked_subcommand is not None:
        return
    from so8t.agent.build import owner
    from so8t.audit_db.errors import Forged

    app: App = context.obj
    with _grants(app) as grants:
        found, forged = grants.all(None if everything else owner(app.config))
        shown = [grant for grant in found if everything or grant.state == "active"]
        for grant in shown:
            print_json(grant_json(grant)) if as_json else click.echo(grant_line(grant))
        if forged:
            names = ", ".join(forged)
            raise Forged(
                f"somebody changed grants by hand ({names}), and they let nothing pass; run: so8t audit verify"
            )
        if not shown and not as_json:
            click.echo("no grants: every call that the gate escalates waits for a person")


@command.command("add")
@click.argument("tool")
@click.option("--argument", "values", multiple=True, metavar="NAME=VALUE", help="This value and no other.")
@click.option("--argument-glob", "globs", multiple=True, metavar="NAME=PATTERN", help="Text of this pattern.")
@click.option("--session", metavar="ID", help="In this session.")
@click.option("--until", type=iso_time, metavar="TIME", help="Until then (ISO 8601; local unless it names a zone).")
@click.option("--times", type=click.IntRange(1, 1_000_000), metavar="N", help="So often at most; else any number.")
@click.option("--by", required=True, metavar="NAME", help="Who answers for it: your name in the trail.")
@json_option
@pass_app
def add(
    app: App,
    tool: str,
    values: tuple[str, ...],
    globs: tuple[str, ...],
    session: str | None,
    until: datetime | None,
    times: int | None,
    by: str,
    as_json: bool,
) -> None:
    """Let calls of TOOL pass in this folder's agents. A call fits that has the stated arguments, none more, none less.

    In a pattern * is any text within one line and without a slash, ? one such character, ** any text. Without --session
    and --until a grant is for 24 hours.

    Example: so8t grants add write_file --argument path=notes.txt --argument-glob "content=**" --times 3 --by Aya
    """
    from so8t.agent.build import open_toolbox, owner
    from so8t.agent.granting import statements
    from so8t.gate.grants import StatementInvalid

    if session is not None and until is not None:
        raise click.UsageError("a grant is for one session or until a date: give --session or --until")
    spec = open_toolbox(app.config).get(tool).spec
    try:
        stated = statements(spec, values, globs)
    except StatementInvalid as error:
        raise click.UsageError(str(error)) from None
    end = until if until or session else datetime.now(UTC) + DAY
    with _grants(app, session) as grants:
        made = grants.add(owner(app.config), spec, stated, by, session=session, until=end, times=times)
    print_json(grant_json(made)) if as_json else click.echo(grant_text(made))


@command.command("show")
@click.argument("id")
@json_option
@pass_app
def show(app: App, id: str, as_json: bool) -> None:
    """One grant, whole: what it lets pass, who made it, every use of it.

    Example: so8t grants show grant-7k2mq9xd
    """
    with _grants(app) as grants:
        grant, records = grants.get(id), grants.records(id)
    if as_json:
        print_json(grant_json(grant) | {"records": [record_json(record) for record in records]})
        return
    click.echo(grant_text(grant))
    for line in story_lines(records):
        click.echo(line)


@command.command("revoke")
@click.argument("id")
@click.option("--by", metavar="NAME", help="Your name in the trail; else review.reviewer, else your login.")
@json_option
@pass_app
def revoke(app: App, id: str, by: str | None, as_json: bool) -> None:
    """Let nothing more pass by this grant. What runs already goes on.

    Example: so8t grants revoke grant-7k2mq9xd --by Aya
    """
    who = by if by is not None else app.config.settings.review.reviewer or _login()
    with _grants(app) as grants:
        done = grants.revoke(id, who)
    print_json(grant_json(done)) if as_json else click.echo(f"revoked: {done.id} lets nothing pass any more")


@contextmanager
def _grants(app: App, session: str | None = None) -> Iterator[Grants]:
    """The grants; what they raise becomes one line and an exit code.

    Args:
        session: one that must be known.
    """
    from so8t.agent.build import open_store
    from so8t.audit_db import Grants, ReviewError, Trail, TrailError
    from so8t.audit_db.errors import GrantOver

    try:
        with open_store(app.config) as store:
            if session is not None and not any(Trail(store).records(kind="session", session=session, limit=1)):
                raise click.ClickException(f"there is no session {session!r}: `so8t audit list --kind session`")
            yield Grants(store)
    except GrantOver as error:
        raise Over(one_line(str(error), 2000)) from None
    except (ReviewError, TrailError) as error:
        raise click.ClickException(one_line(str(error), 2000)) from None


def _login() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        raise click.ClickException("nobody is logged in by name: give yours with --by NAME") from None
