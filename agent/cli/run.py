"""`so8t run`: one turn, without a conversation."""

from __future__ import annotations

import asyncio
import sys

import click

from so8t.agent import events
from so8t.agent.cli.app import EXIT_ERROR, EXIT_REFUSED, EXIT_WAITING, App, pass_app, print_json
from so8t.agent.terminal import one_line
from so8t.gate.contract import Decision


@click.command("run")
@click.option("-p", "--prompt", help="What to do; '-' reads it from standard input.")
@click.option(
    "--reviews", is_flag=True, help="First take up what reviewers decided about earlier calls of this folder."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object an event.")
@pass_app
def command(app: App, prompt: str | None, reviews: bool, as_json: bool) -> None:
    """Carry out one turn and print what happened.

    Exit codes: 0 done, 1 it failed, 3 a call waits for a reviewer, 4 the turn or a call was refused.

    Example: so8t run -p "what files are here" --json
    """
    if prompt is None and not reviews:
        raise click.UsageError("say what to do with -p TEXT, or take up reviews with --reviews")
    if prompt == "-":
        prompt = sys.stdin.buffer.read().decode("utf-8", "replace").strip()
    if prompt is not None and not prompt.strip():
        raise click.UsageError("there is nothing to do: the prompt is empty")
    seen: list[events.Event] = []
    asyncio.run(_run(app, prompt, reviews, as_json, seen))
    if code := exit_code(seen):
        raise click.exceptions.Exit(code)


async def _run(app: App, prompt: str | None, reviews: bool, as_json: bool, seen: list[events.Event]) -> None:
    from so8t.agent.chat.view import View, plain_writer
    from so8t.agent.session import open_session

    view = View(plain_writer)

    def hear(event: events.Event) -> None:
        seen.append(event)
        if as_json:
            print_json(events.as_json(event))
        elif isinstance(event, events.Failed):
            click.echo(f"so8t: {one_line(event.text, 2000)}", err=True)
        else:
            view.show(event)

    async with open_session(app.config, hear) as session:
        if reviews:
            for item in await session.ledger.news():
                await session.agent.reviewed(item)
        if prompt is not None:
            await session.agent.turn(prompt)


def exit_code(seen: list[events.Event]) -> int:
    """The worst of what happened: failed, then refused (by the gate or a reviewer), then waiting."""
    if any(isinstance(event, events.Failed) for event in seen):
        return EXIT_ERROR
    decisions = {e.verdict.decision for e in seen if isinstance(e, events.CallJudged)}
    turn_refused = any(isinstance(e, events.TurnJudged) and e.verdict.decision is Decision.REFUSE for e in seen)
    reviewer_refused = any(isinstance(e, events.Reviewed) and e.state == "refused" for e in seen)
    if Decision.REFUSE in decisions or turn_refused or reviewer_refused:
        return EXIT_REFUSED
    return EXIT_WAITING if Decision.ESCALATE in decisions else 0
