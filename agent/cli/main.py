"""The command line: `so8t COMMAND`. Each command lives in a file of its own and loads when it is named."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import click

from so8t.agent.cli.app import App
from so8t.agent.terminal import one_line

COMMANDS = {
    "chat": "Talk to the agent.",
    "run": "One turn, without a conversation.",
    "review": "Decide about the calls that wait.",
    "why": "The whole story of one decision.",
    "audit": "Read and check the trail.",
    "tools": "The tools that the agent has.",
    "gate": "Measure the gate on labelled cases.",
    "models": "Get and check models.",
    "config": "The settings and where they come from.",
    "doctor": "Find what is missing or wrong.",
}


class Commands(click.Group):
    """Loads so8t.agent.cli.<name> for the command <name>."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of the help page."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, or None (click then names the nearest)."""
        if cmd_name not in COMMANDS:
            return None
        command = importlib.import_module(f"so8t.agent.cli.{cmd_name}").command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without loading them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


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
    """Run the command line; any error of ours is one line on stderr and exit code 1."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    try:
        cli.main(standalone_mode=False)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except click.Abort:
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(141)
    except KeyboardInterrupt:
        sys.exit(130)
    except _errors() as error:
        click.echo(f"so8t: {one_line(str(error), 2000)}", err=True)
        sys.exit(1)


def _errors() -> tuple[type[Exception], ...]:
    """The roots of our error trees. Loaded late: they are needed only when something failed."""
    from so8t.agent.config import ConfigError
    from so8t.agent.engines import EngineError
    from so8t.agent.ledger import LedgerError
    from so8t.audit_db import TrailError
    from so8t.gate.errors import GateError
    from so8t.tools import ToolboxError

    return (ConfigError, EngineError, LedgerError, TrailError, GateError, ToolboxError, OSError)
