"""`python -m so8t.training RECIPE` is `so8t train RECIPE`: for `accelerate launch -m so8t.training RECIPE`."""

import sys

import click

from so8t.training.cli import command

try:
    command(prog_name="so8t train")
except click.ClickException:
    raise
except Exception as error:
    if type(error).__module__.partition(".")[0] != "so8t":
        raise
    click.echo(f"so8t: {error}", err=True)
    sys.exit(1)
