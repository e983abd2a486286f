"""`so8t gate replay`: what another head, threshold or policy would have decided."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from so8t.agent.cli.app import App, pass_app, print_json
from so8t.agent.cli.audit import iso_time
from so8t.agent.config import Config
from so8t.agent.terminal import one_line
from so8t.gate.contract import Decision

if TYPE_CHECKING:
    from so8t.agent.replay import Flips, Replayed
    from so8t.agent.stored import Reviewed

EXIT_LOOSER = 6  # something that was refused would be allowed now
THRESHOLD = click.FloatRange(0, 2)


@click.command("replay")
@click.option("--head", type=click.Path(path_type=Path), help="This head instead of gate.head.")
@click.option("--allow-threshold", type=THRESHOLD, help="Instead of gate.allow_threshold.")
@click.option("--refuse-threshold", type=THRESHOLD, help="Instead of gate.refuse_threshold.")
@click.option("--session", help="Only this session.")
@click.option("--since", type=iso_time, help="Only decisions from this time (ISO 8601; local unless it names a zone).")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a flip, then one with the counts.")
@pass_app
def replay(
    app: App,
    head: Path | None,
    allow_threshold: float | None,
    refuse_threshold: float | None,
    session: str | None,
    since: datetime | None,
    as_json: bool,
) -> None:
    """Judge again what the trail holds, with the gate as it is configured now, and list every decision that flips.

    REFUSE -> ALLOW comes first, and then the exit code is 6. Nothing is run and nothing is recorded. The trail holds
    no secrets and no descriptions of tools: where a decision hung on those, it may differ for that alone.

    Example: so8t gate replay --head runs/encoder/head
    """
    chosen = {"head": head and str(head.resolve()), "allow_threshold": allow_threshold}
    config = _with(app.config, chosen | {"refuse_threshold": refuse_threshold})
    found, people = asyncio.run(_replayed(config, session, since))
    for one in found.gravest_first:
        human = people.get(one.then.record.subject)
        print_json(_json(one, human)) if as_json else click.echo(_line(one, human))
    if as_json:
        totals = {"decisions": found.counts.total(), "flips": len(found.changed)}
        print_json({**totals, "counts": _nested(found.counts)})
    else:
        click.echo(_table(found))
    if found.counts[Decision.REFUSE, Decision.ALLOW]:
        raise click.exceptions.Exit(EXIT_LOOSER)


def _with(config: Config, changes: dict[str, Any]) -> Config:
    gate = config.settings.gate.model_copy(update={k: v for k, v in changes.items() if v is not None})
    return replace(config, settings=config.settings.model_copy(update={"gate": gate}))


async def _replayed(config: Config, session: str | None, since: datetime | None) -> tuple[Flips, dict[str, Reviewed]]:
    from so8t.agent.build import open_gate, open_store, open_toolbox
    from so8t.agent.replay import Flips
    from so8t.agent.replay import replay as judged_again
    from so8t.agent.stored import reviews, stored
    from so8t.audit_db import Trail

    tools = {spec.name: spec for spec in open_toolbox(config).specs}
    with open_store(config) as store:
        trail = Trail(store)
        async with open_gate(config) as gate:
            if problem := gate.ready():
                raise click.ClickException(f"the gate is not ready: {problem}")
            found, show = Flips(), sys.stderr.isatty()
            async for one in judged_again(gate, stored(trail, tools, session=session, since=since)):
                found.add(one)
                if show and found.counts.total() % 50 == 0:
                    click.echo(f"\r{found.counts.total()} decisions", nl=False, err=True)
            if show:
                click.echo("\r", nl=False, err=True)
            return found, reviews(trail)


def _json(one: Replayed, human: Reviewed | None) -> dict[str, Any]:
    call = one.then.proposal.call
    return {
        "id": one.then.record.subject,
        "session": one.then.record.session,
        "then": one.then.decision.name,
        "now": one.now.decision.name,
        "call": {"name": call.name, "arguments": call.arguments} if call else None,
        "user_text": one.then.proposal.user_text,
        "source": one.now.source.value,
        "reasons": list(one.now.reasons),
        "probabilities_then": one.then.record.body["probabilities"],
        "probabilities_now": one.now.probabilities,
        "reviewer": human and {"name": human.reviewer, "approved": human.approved, "reason": human.reason},
    }


def _line(one: Replayed, human: Reviewed | None) -> str:
    call = one.then.proposal.call
    what = f"{call.name} {call.arguments_json}" if call else f"turn: {one.then.proposal.user_text}"
    said = f" ({'approved' if human.approved else 'refused'} by {human.reviewer})" if human else ""
    change = f"{one.then.decision.name} -> {one.now.decision.name}"
    return one_line(f"{change:<20} {one.then.record.subject}  {what}", 110) + one_line(said)


def _nested(counts: Counter[tuple[Decision, Decision]]) -> dict[str, dict[str, int]]:
    return {then.name: {now.name: counts[then, now] for now in Decision} for then in Decision}


def _table(found: Flips) -> str:
    rows = [f"{found.counts.total()} decisions judged again, {len(found.changed)} would be others", ""]
    rows.append("then \\ now  " + "".join(f"{now.name:>10}" for now in Decision))
    rows += [f"{then:<12}" + "".join(f"{n:>10}" for n in row.values()) for then, row in _nested(found.counts).items()]
    return "\n".join(rows)
