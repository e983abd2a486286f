"""The terminal: styles, and printing while a prompt is on the screen."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from so8t.agent.chat.layout import Fragments

STYLES = {
    "allow": "ansigreen",
    "escalate": "ansiyellow",
    "refuse": "ansired",
    "dim": "ansibrightblack",
    "name": "bold",
    "error": "ansired",
}


def styled_writer() -> Callable[[Fragments, str], None]:
    """Prints with colours, or without them where NO_COLOR is set; above the prompt where one is on the screen."""
    from prompt_toolkit import print_formatted_text
    from prompt_toolkit.formatted_text import FormattedText
    from prompt_toolkit.styles import Style

    style = Style.from_dict(STYLES)

    def write(fragments: Fragments, end: str) -> None:
        print_formatted_text(FormattedText(fragments), end=end, style=style, flush=True)

    return write


def columns() -> int:
    """How wide the terminal is now, with the last column left free: some terminals wrap when it is written."""
    try:
        width = os.get_terminal_size().columns  # not COLUMNS, which a resize leaves behind
    except OSError:
        width = 0
    return (width or 80) - 1


@contextmanager
def silent_keys() -> Iterator[None]:
    """Keys that are pressed meanwhile are not drawn into the output; the next prompt gets them."""
    if sys.platform == "win32":
        yield
        return
    import termios

    before = termios.tcgetattr(sys.stdin)
    silent = [*before[:3], before[3] & ~termios.ECHO, *before[4:]]
    termios.tcsetattr(sys.stdin, termios.TCSADRAIN, silent)
    try:
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)
