"""`so8t train cases`: look at labelled cases, and make some of what reviewers decided."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import click

FILE = click.Path(path_type=Path)
BAD_LINES = 5


class Reviews(Protocol):
    """What `so8t` hands to its commands: training reads the trail through it alone."""

    def reviewed_cases(self) -> Iterator[dict[str, Any]]:
        """Reviewers' decisions as labelled cases."""
        ...


@click.group("cases", short_help="Look at labelled cases.")
def cases_group() -> None:
    """Labelled cases, before a head learns from them.

    Example: so8t train cases check mine.jsonl
    """


@cases_group.command("check", short_help="Are these cases fit to learn from?")
@click.argument("paths", type=FILE, nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="Everything as JSON.")
@click.pass_context
def check_cases(context: click.Context, paths: Sequence[Path], as_json: bool) -> None:
    """Form, balance, pairs, near-duplicates, contradictions, and what words alone give away, in files and folders.

    Exit code 5: broken lines or contradictions.

    Example: so8t train cases check mine.jsonl
    """
    from so8t.training.data.check import check

    checked = check(paths)
    click.echo(json.dumps(checked.json(), ensure_ascii=False) if as_json else str(checked))
    context.exit(0 if checked.sound else BAD_LINES)


@cases_group.command("from-reviews", short_help="Cases from what reviewers decided.")
@click.option("--out", type=FILE, help="Write here instead of to stdout.")
@click.pass_context
def from_reviews(context: click.Context, out: Path | None) -> None:
    """Every call in the trail that a person approved (ALLOW) or refused (REFUSE), as a labelled case with its context.

    Secrets are masked; `decided` says who decided, when, and in which record. Read the cases before a head learns from
    them: an approval says that this call could run, not that the next one needs no person.

    Example: so8t train cases from-reviews --out reviews.jsonl
    """
    source: Reviews | None = context.obj
    if source is None:
        raise click.ClickException("this needs the agent's configuration: run `so8t train cases from-reviews`")
    lines = [json.dumps(case, ensure_ascii=False) for case in source.reviewed_cases()]
    if not lines:
        raise click.ClickException("no reviewer has decided about a call yet: there is no case to write")
    if out is None:
        click.echo("\n".join(lines))
        return
    if out.exists():
        raise click.UsageError(f"{out} exists already: name another file")
    out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    click.echo(f"{len(lines)} cases in {out}", err=True)
