"""`so8t train`: what the person who trains a gate types. Found by the entry point; loads torch when a command runs."""

from __future__ import annotations

import json
import logging
import tomllib
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from so8t.gate.head_folder import head_folder
from so8t.gate.names import unknown
from so8t.training.cli_cases import cases_group

if TYPE_CHECKING:
    from so8t.training.evaluation.figures import Figures

RECIPES = Path(__file__).parent / "recipes"
FILE = click.Path(path_type=Path)
STOPPED = 130


class RecipeOrCommand(click.Group):
    """`so8t train RECIPE` is short for `so8t train run RECIPE`."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Raises UsageError, which lists commands and recipes."""
        if args[0] in self.commands:
            return super().resolve_command(ctx, args)
        if args[0].endswith(".toml") or args[0] in shipped():
            return "run", self.commands["run"], args
        names = [*self.commands, *shipped()]
        raise click.UsageError(
            f"{unknown('command or recipe', args[0], names)}; a recipe of your own ends in .toml", ctx
        )


def shipped() -> list[str]:
    """The names of the recipes in the box."""
    return sorted(file.stem for file in RECIPES.glob("*.toml"))


@click.group(
    "train",
    cls=RecipeOrCommand,
    short_help="Train, measure and export a gate.",
    context_settings={"help_option_names": ["-h", "--help"]},
)
def command() -> None:
    """Train a safety head by a recipe: `so8t train RECIPE`, a .toml file or the name of one in the box.

    \b
    so8t train encoder                      MiniLM with LoRA and a head, on your cases or those in the box
    so8t train mine.toml --out runs/mine    a recipe of your own
    so8t train eval runs/mine/head cases/   what a head says of labelled cases

    Example: so8t train encoder --out runs/first
    """
    if find_spec("torch") is None or find_spec("peft") is None:
        raise click.ClickException("training needs more packages: pip install 'so8t[train]'")
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)  # it tells of kernels that nobody asked for


command.add_command(cases_group)


@command.command("run", short_help="Train by a recipe.")
@click.argument("recipe")
@click.option("--out", type=FILE, help="Folder of the run; by default runs/ and the recipe's name.")
@click.option("--resume", is_flag=True, help="Go on from the last checkpoint in the folder.")
@click.option("--set", "changes", multiple=True, metavar="KEY=VALUE", help="Change one value, e.g. train.epochs=1.")
@click.pass_context
def run(context: click.Context, recipe: str, out: Path | None, resume: bool, changes: Sequence[str]) -> None:
    """Train by RECIPE, calibrate, measure, write the head and a report.

    Example: so8t train run encoder --out runs/first --set train.epochs=2
    """
    file = found(recipe)
    changed = dict(change(text) for text in changes)
    from so8t.training.run import Interrupted
    from so8t.training.run import run as train

    folder = out or Path("runs") / file.stem
    try:
        outcome = train(file, folder, resume=resume, changes=changed)
    except Interrupted as error:
        click.echo(f"so8t: {error}", err=True)
        context.exit(STOPPED)
    if outcome is None:  # not the first of several processes
        return
    from so8t.training.evaluation.figures import figures
    from so8t.training.evaluation.spoken import spoken

    click.echo(spoken(figures(outcome.judged)))
    if outcome.gate:
        click.echo(f"through the gate's backbone: {outcome.gate}")
    _warn(figures(outcome.judged))
    click.echo(f"report  {outcome.report}")
    click.echo(
        f'head    {outcome.folder}, digest {outcome.head.digest[:16]}; agent.toml: gate.head = "{outcome.folder}"'
    )


@command.command("eval", short_help="What a head says of labelled cases.")
@click.argument("head", type=FILE)
@click.argument("cases", type=FILE, nargs=-1, required=True)
@click.option("--out", type=FILE, help="Write report.html, the plots and judged.jsonl into this folder.")
@click.option("--backbone", type=FILE, help="GGUF file of a head on a language model, if it is not beside the head.")
@click.option(
    "--max-false-allow", type=click.FloatRange(0, 1), default=0.05, show_default=True, help="Bound in the plot."
)
@click.option("--skip-bad-lines", is_flag=True, help="Count broken lines and go on.")
@click.option("--json", "as_json", is_flag=True, help="Figures as JSON.")
def evaluate(
    head: Path,
    cases: Sequence[Path],
    out: Path | None,
    backbone: Path | None,
    max_false_allow: float,
    skip_bad_lines: bool,
    as_json: bool,
) -> None:
    """Ask HEAD ("default": the one in the box) for every labelled case in CASES, files or folders, as the gate asks it.

    The other layers of the gate stay out of it: `so8t gate check` measures all of them together.

    Example: so8t train eval runs/encoder/head mine.jsonl --out report
    """
    from so8t.training.measure import measure

    measured = measure(head_folder(str(head), Path()), cases, backbone=backbone, skip_bad_lines=skip_bad_lines)
    from so8t.training.evaluation.figures import figures, slices
    from so8t.training.evaluation.spoken import spoken, spoken_slices

    result, parts = figures(measured.judged), slices(measured.judged)
    if as_json:
        in_parts = {name: {value: one.json() for value, one in part.items()} for name, part in parts.items()}
        click.echo(json.dumps(result.json() | {"slices": in_parts}))
    else:
        click.echo(f"{spoken(result)}\n\n{spoken_slices(parts)}")
    _warn(result)
    if out:
        click.echo(f"report  {measured.write_report(out, max_false_allow)}", err=as_json)


@command.command("export", short_help="The head of a run on another kind of GGUF file.")
@click.argument("run_folder", metavar="RUN", type=FILE)
@click.argument("kind")
@click.option("--out", type=FILE, help="Folder of the head; by default RUN/head-KIND.")
@click.option("--check", default=500, show_default=True, help="Test cases whose verdict is compared; 0: none.")
def export(run_folder: Path, kind: str, out: Path | None, check: int) -> None:
    """Write the language model of a finished RUN as KIND (f32, f16, bf16, q8_0, q4_k_m), with the head beside it.

    Example: so8t train export runs/mini q4_k_m
    """
    from so8t.training.export_run import export_run

    made = export_run(run_folder, kind, out or run_folder / f"head-{kind}", most=check)
    click.echo(f"{made.folder}: {kind}, {made.gguf_bytes / 2**20:.1f} MiB")
    for note in made.notes:
        click.echo(f"note: {note}")
    if made.gate:
        click.echo(f"against the trained model: {made.gate}")


@command.command("content", short_help="The head that looks for instructions in tool results.")
@click.argument("head", type=FILE)
@click.argument("texts", type=FILE, nargs=-1)
def content(head: Path, texts: Sequence[Path]) -> None:
    """Train the content head of HEAD on TEXTS, files or folders of {"text", "instructs"} lines; by default ours.

    It reads through the same backbone, and lies in HEAD as content.json.

    Example: so8t train content runs/encoder/head mine.jsonl
    """
    from so8t.training.content import train as train_content

    folder = head_folder(str(head), Path())
    made = train_content(folder, texts or [RECIPES.parent / "contents"])
    click.echo(f"{folder / 'content.json'}: threshold {made.file.threshold:.3f}, on texts it had not seen:")
    for name, value in made.file.metrics.items():
        click.echo(f"{name:<14}{value:.3f}")


@command.command("estimate", short_help="The memory that a recipe will need.")
@click.argument("recipe")
@click.option("--config", type=FILE, help="config.json of the base, instead of looking it up by the recipe's name.")
@click.option("--set", "changes", multiple=True, metavar="KEY=VALUE", help="Change one value, e.g. lora.r=32.")
@click.option("--json", "as_json", is_flag=True, help="Bytes as JSON.")
def estimate(recipe: str, config: Path | None, changes: Sequence[str], as_json: bool) -> None:
    """Predict the peak memory of a training step from the base's config.json alone.

    Example: so8t train estimate qlora-7b-12gb --set data.longest=1024
    """
    from so8t.training import estimate as estimates
    from so8t.training import recipe as recipes
    from so8t.training.base import config_of

    file = found(recipe)
    loaded = recipes.load(file, dict(change(text) for text in changes))
    result = estimates.estimate(loaded, config_of(loaded, file.parent, config))
    click.echo(json.dumps(result.json()) if as_json else estimates.table(result))


def _warn(result: Figures) -> None:
    """A head that has learned nothing is told of as one."""
    lift = result.lift
    if lift and result.constant and (lift.interval[0] if lift.interval else lift.value) <= 0:
        click.echo(
            f"warning: by the combined score no better than always {result.constant.decision}: do not rely on it",
            err=True,
        )


def found(recipe: str) -> Path:
    """The recipe's file. Raises UsageError."""
    file = Path(recipe)
    if file.is_file():
        return file
    if recipe in shipped():
        return RECIPES / f"{recipe}.toml"
    raise click.UsageError(f"there is no recipe {recipe}: name a .toml file, or one of {', '.join(shipped())}")


def change(text: str) -> tuple[str, Any]:
    """KEY=VALUE as TOML reads the value; what is no TOML value is a string. Raises UsageError."""
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise click.UsageError(f"--set {text}: it must be KEY=VALUE, such as train.epochs=1")
    try:
        return key.strip(), tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return key.strip(), value
