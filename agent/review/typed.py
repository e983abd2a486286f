"""Keys that were pressed before a question was asked are no answer to it."""

from __future__ import annotations

import sys


def forget_typed_ahead() -> None:
    """Drop what waits on standard input; it is a terminal."""
    if sys.platform == "win32":
        import msvcrt

        while msvcrt.kbhit():
            msvcrt.getwch()
    else:
        import termios

        termios.tcflush(sys.stdin, termios.TCIFLUSH)
