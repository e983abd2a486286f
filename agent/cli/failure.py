"""What the user is told when a command fails: one line that says what to do, and the exit code."""

from __future__ import annotations

import os
import traceback

import click

from so8t.agent.cli.app import EXIT_ERROR
from so8t.agent.terminal import one_line, safe

DEBUG = "SO8T_DEBUG"  # any value but "" and "0" prints the traceback as well


def tell(error: Exception) -> int:
    """Print `error` as one line on stderr, after its traceback if SO8T_DEBUG is set. Returns the exit code."""
    if os.environ.get(DEBUG, "0") not in ("", "0"):
        click.echo(safe("".join(traceback.format_exception(error))), err=True)
    click.echo(f"so8t: {one_line(said(error), 2000)}", err=True)
    return EXIT_ERROR


def tell_usage(error: click.ClickException) -> int:
    """Print what is wrong with the command line, and how the command is used. Returns click's exit code."""
    context = error.ctx if isinstance(error, click.UsageError) else None
    click.echo(f"so8t: {one_line(error.format_message(), 2000)}", err=True)
    if context is not None:
        click.echo(f"{context.get_usage()}\nFor help: {context.command_path} --help", err=True)
    return error.exit_code


def said(error: Exception) -> str:
    """The text for the user.

    Every class of error that so8t defines has a message that a user can act on, and what the operating system
    refuses is the user's to mend. Anything else is a mistake of ours.
    """
    if type(error).__module__.partition(".")[0] == "so8t":
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    if isinstance(error, MemoryError):
        return "there is not enough memory"
    return f"internal error ({type(error).__name__}: {error}); set {DEBUG}=1 for the traceback"
