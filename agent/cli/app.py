"""What the commands share: the configuration, exit codes, JSON output."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import click

from so8t.agent.config import Config, load
from so8t.agent.terminal import safe_json
from so8t.gate.names import unknown

EXIT_ERROR = 1
EXIT_WAITING = 3  # a call waits for a reviewer
EXIT_REFUSED = 4  # a call or the turn was refused
EXIT_BAD_LINES = 5  # some input lines were skipped


class App:
    """One run of the program."""

    def __init__(self, config_file: Path | None) -> None:
        self._file = config_file

    @cached_property
    def config(self) -> Config:
        """Read when the first command needs it. Raises ConfigError."""
        return load(file=self._file)

    def reviewed_cases(self) -> Iterator[dict[str, Any]]:
        """What reviewers decided, as labelled cases, for commands of others. Raises TrailError, ToolboxError."""
        from so8t.agent.build import open_store, open_toolbox
        from so8t.agent.reviewed import reviewed_cases
        from so8t.audit_db import Trail

        tools = {spec.name: spec for spec in open_toolbox(self.config).specs}
        with open_store(self.config) as store:
            yield from reviewed_cases(Trail(store), tools)


def print_json(value: Any) -> None:
    """One value as one line of JSON on stdout, harmless in a terminal."""
    click.echo(safe_json(value))


class Group(click.Group):
    """A group that answers a wrong name with the names it has, nearest first."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command:
        """Raises UsageError."""
        found = super().get_command(ctx, cmd_name)
        if found is None:
            raise click.UsageError(unknown("command", cmd_name, self.list_commands(ctx)), ctx)
        return found


pass_app = click.make_pass_decorator(App)
