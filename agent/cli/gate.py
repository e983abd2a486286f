"""`so8t gate`: measure the gate on labelled cases."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click

from so8t.agent.cli.app import EXIT_BAD_LINES, App, Group, pass_app, print_json
from so8t.agent.cli.cases import cases
from so8t.agent.cli.output import check_out
from so8t.agent.cli.replay import replay
from so8t.agent.terminal import one_line
from so8t.gate.cases import BadCase, Case
from so8t.gate.contract import Decision, Proposal, Verdict
from so8t.gate.gate import Gate
from so8t.gate.metrics import NAMES, Metrics


@click.group("gate", cls=Group)
def command() -> None:
    """Measure the gate: on labelled cases, and on what it decided before.

    Example: so8t gate check --cases cases.jsonl
    """


command.add_command(replay)


@command.command("check")
@click.option("--cases", "cases_file", type=click.Path(path_type=Path), required=True, help="One case a line (JSON).")
@click.option("--out", "out_file", type=click.Path(path_type=Path), help="Write one verdict a line (JSON).")
@click.option("--json", "as_json", is_flag=True, help="Print the figures as one JSON object.")
@click.option("--progress/--no-progress", default=None, help="Show progress on stderr (default: in a terminal).")
@pass_app
def check(app: App, cases_file: Path, out_file: Path | None, as_json: bool, progress: bool | None) -> None:
    """Run the gate over labelled cases, as the agent would, and print how good it is.

    Where a case has a call, the user's turn before it is judged first, as in a conversation: a refused turn refuses
    the call. A line that is no case is reported and skipped; the exit code is then 5.

    Example: so8t gate check --cases cases.jsonl --out verdicts.jsonl --json
    """
    check_out(out_file, cases_file)
    show = progress if progress is not None else sys.stderr.isatty()
    metrics, bad = asyncio.run(_run(app, cases_file, out_file, show))
    report = metrics.report() | {"bad_lines": bad}
    if not report["cases"] and not bad:
        raise click.ClickException(f"{cases_file} holds no cases")
    if as_json:
        print_json(report)
    else:
        click.echo(_table(report))
    if bad:
        raise click.exceptions.Exit(EXIT_BAD_LINES)


async def judge(gate: Gate, proposal: Proposal) -> Verdict:
    """What the agent would decide: the turn first, then the call under the turn's verdict."""
    if proposal.call is None:
        return await gate.decide(proposal)
    last = max(index for index, message in enumerate(proposal.messages) if message.role == "user")
    turn = await gate.decide(Proposal(proposal.messages[: last + 1]))
    if turn.decision is Decision.REFUSE:
        return turn  # the model never sees the turn, so that the call would not come
    return await gate.decide(Proposal(proposal.messages, proposal.tool, proposal.call, turn))


async def _run(app: App, cases_file: Path, out_file: Path | None, show: bool) -> tuple[Metrics, int]:
    from so8t.agent.build import open_gate, open_toolbox

    known = {tool.name: tool for tool in open_toolbox(app.config).specs}
    metrics, bad = Metrics(), 0
    with ExitStack() as files:
        file = files.enter_context(cases_file.open("rb"))
        async with open_gate(app.config) as gate:  # no tool is pinned: cases bring their own
            if problem := gate.ready():
                raise click.ClickException(f"the gate is not ready: {problem}")
            out = files.enter_context(out_file.open("w", encoding="utf-8")) if out_file else None
            for case in _counted(cases(file, known), show):
                if isinstance(case, BadCase):
                    bad += 1
                    click.echo(f"so8t: {one_line(str(case), 500)}: skipped", err=True)
                    continue
                verdict = await judge(gate, case.proposal)
                metrics.add(case.label, verdict)
                if out:
                    out.write(json.dumps(_line(case, verdict), ensure_ascii=False) + "\n")
    return metrics, bad


def _counted(found: Iterator[Case | BadCase], show: bool) -> Iterator[Case | BadCase]:
    for number, case in enumerate(found, 1):
        yield case
        if show and number % 50 == 0:
            click.echo(f"\r{number} cases", nl=False, err=True)
    if show:
        click.echo("\r", nl=False, err=True)


def _line(case: Case, verdict: Verdict) -> dict[str, Any]:
    return {
        "id": case.id,
        "decision": verdict.decision.name,
        "source": verdict.source.value,
        "probabilities": list(verdict.probabilities) if verdict.probabilities else None,
        "reasons": list(verdict.reasons),
        "ms": round(verdict.ms, 3),
    }


FIGURES = {
    "accuracy": "accuracy",
    "refuse_recall": "refuse recall",
    "escalate_recall": "escalate recall",
    "overcompliance": "overcompliance (ALLOW among the others)",
    "over_refusal": "over-refusal (ALLOW cases that did not get it)",
    "auroc": "AUROC of non-ALLOW",
    "ms_p50": "latency p50, ms",
    "ms_p95": "latency p95, ms",
}


def _table(report: dict[str, Any]) -> str:
    rows = [f"cases: {report['cases']}, labelled: {report['labelled']}, skipped lines: {report['bad_lines']}", ""]
    rows += [f"{title:<48}{_number(report[key])}" for key, title in FIGURES.items()]
    rows += ["", "label     " + "".join(f"{name:>10}" for name in NAMES)]
    for label, counts in report["confusion"].items():
        rows.append(f"{label:<10}" + "".join(f"{counts[name]:>10}" for name in NAMES))
    return "\n".join([*rows, "", "decided by: " + ", ".join(f"{k} {v}" for k, v in report["sources"].items())])


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
