"""`python -m so8t.training.generated N --seed S --out FILE`: labelled cases, one a line of JSON."""

from __future__ import annotations

from pathlib import Path

import click

from so8t.training.generated.generate import lines


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("count", type=click.IntRange(min=1))
@click.option("--seed", default=8, show_default=True, type=click.IntRange(min=0), help="The same seed, the same cases.")
@click.option("--out", required=True, type=click.Path(path_type=Path, dir_okay=False), help="The file to write.")
def command(count: int, seed: int, out: Path) -> None:
    """Write COUNT labelled cases, drawn from attributes, in the form of gate/cases.py."""
    try:
        with out.open("wb") as file:
            file.writelines(lines(count, seed))
    except OSError as error:
        raise click.ClickException(
            f"{out} cannot be written ({error.strerror}): name a file in a folder that is there"
        ) from None
    click.echo(f"{count} cases in {out}")


if __name__ == "__main__":
    command(prog_name="python -m so8t.training.generated")
