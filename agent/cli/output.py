"""Where the text of `--out FILE` and of exports goes, without harm to what is there."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import IO

import click

from so8t.agent.terminal import safe


class Screen(io.StringIO):
    """A terminal: text from anyone reaches it harmless, where a pipe gets the exact text."""

    def write(self, text: str, /) -> int:
        """Print `text`."""
        click.echo(safe(text), nl=False)
        return len(text)


def check_out(out: Path | None, kept: Path) -> None:
    """Raises UsageError where writing `out` would destroy `kept`."""
    if out is not None and out.exists() and kept.exists() and out.samefile(kept):
        raise click.UsageError(f"--out names {kept}: it would be overwritten")


def write_whole(out: Path, write: Callable[[IO[str]], int]) -> int:
    """Let `write` fill the file `out`, whole or not at all: after a failure an older one stands as it was."""
    if out.exists() and not out.is_file():  # a pipe or a device, such as /dev/null
        with out.open("w", encoding="utf-8", newline="") as file:
            return write(file)
    part = (out := out.resolve()).with_name(out.name + ".part")
    try:
        with part.open("w", encoding="utf-8", newline="") as file:
            count = write(file)
        part.replace(out)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return count
