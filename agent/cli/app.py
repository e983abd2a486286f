"""What the commands share: the configuration, exit codes, JSON output."""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path
from typing import Any

import click

from so8t.agent.config import Config, load

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


def print_json(value: Any) -> None:
    """One value as one line of JSON on stdout."""
    click.echo(json.dumps(value, ensure_ascii=False))


pass_app = click.make_pass_decorator(App)
