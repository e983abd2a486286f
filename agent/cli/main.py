"""The command line: `so8t COMMAND`. Each command lives in a file of its own and loads when it is named."""

from __future__ import annotations

import importlib
import os
import sys
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

import click

from so8t.agent.cli.app import EXIT_ERROR, App, Group
from so8t.agent.cli.failure import tell, tell_usage

COMMANDS = {
    "chat": "Talk to the agent.",
    "run": "One turn, without a conversation.",
    "review": "Decide about the calls that wait.",
    "grants": "What people let pass beforehand.",
    "why": "The whole story of one decision.",
    "audit": "Read and check the trail.",
    "tools": "The tools that the agent has.",
    "gate": "Measure the gate: on cases, and on what it decided before.",
    "models": "Get and check models.",
    "config": "The settings and where they come from.",
    "doctor": "Find what is missing or wrong.",
}


class Commands(Group):
    """Loads so8t.agent.cli.<name> for the command <name>; other packages add theirs as entry points."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of the help page."""
        return [*COMMANDS, *added()]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command:
        """The command. Raises UsageError."""
        if cmd_name not in self.commands:
            if cmd_name in COMMANDS:
                self.add_command(importlib.import_module(f"so8t.agent.cli.{cmd_name}").command)
            elif cmd_name in added():
                self.add_command(_load(added()[cmd_name]), cmd_name)
        return super().get_command(ctx, cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List our commands without loading them; those of other packages say what they do themselves."""
        others = {name: _told(self, ctx, name) for name in added()}
        with formatter.section("Commands"):
            formatter.write_dl(list((COMMANDS | others).items()))


@cache
def added() -> dict[str, EntryPoint]:
    """Commands of the entry-point group so8t.commands, by name. None takes the place of one of ours."""
    found = {entry.name: entry for entry in entry_points(group="so8t.commands")}
    return {name: found[name] for name in sorted(set(found) - set(COMMANDS))}


def _load(entry: EntryPoint) -> click.Command:
    """Raises ClickException where another package's command cannot be loaded."""
    try:
        command = entry.load()
    except Exception as error:  # noqa: BLE001 - code of others, which may raise anything
        raise click.ClickException(f"the command {entry.name} ({entry.value}) cannot be loaded: {error}") from None
    if not isinstance(command, click.Command):
        raise click.ClickException(f"the command {entry.name} ({entry.value}) is no click command")
    return command


def _told(group: Commands, ctx: click.Context, name: str) -> str:
    """What a command of another package does; one that is broken does not break the help."""
    try:
        return group.get_command(ctx, name).get_short_help_str()
    except click.ClickException as error:
        return error.message


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--config", "config_file", type=click.Path(path_type=Path), help="Use this agent.toml.")
@click.version_option(package_name="so8t")
@click.pass_context
def cli(context: click.Context, config_file: Path | None) -> None:
    """so8t: a tool-using agent in which no tool starts without a decision.

    Example: so8t run -p "what files are here"
    """
    context.obj = App(config_file)


def main() -> None:
    """Run the command line. Whatever goes wrong is told on stderr, without a traceback, and is not exit code 0."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    try:
        code = cli.main(_words(), prog_name="so8t", standalone_mode=False)  # what click.exceptions.Exit said
        sys.stdout.flush()
        sys.exit(code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)
    except click.ClickException as error:
        sys.exit(tell_usage(error))
    except BrokenPipeError:  # the reader of our output, such as `head`, has what it wanted
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # so that the flush at the end does not fail as well
        sys.exit(EXIT_ERROR)  # as click does where it meets the closed pipe
    except Exception as error:  # noqa: BLE001 - the last place where an error can become a line for the user
        sys.exit(tell(error))


def _words() -> list[str]:
    """The command line. Raises UsageError for bytes that are no UTF-8, which no record could hold."""
    for word in sys.argv[1:]:
        if any("\ud800" <= character <= "\udfff" for character in word):  # how Python passes them on
            raise click.UsageError(f"{word!a} is no UTF-8 text")
    return sys.argv[1:]
