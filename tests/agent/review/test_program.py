"""`so8t review` as a program in a real (pseudo) terminal."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from so8t.audit_db import ReviewItem

if sys.platform == "win32":
    pytest.skip("needs pseudo terminals", allow_module_level=True)

import pty
import termios

PROGRAM = "from so8t.agent.cli.main import main; main()"
PROMPT = "type approve"
Start = Callable[..., "Terminal"]


class Terminal:
    """A program in a terminal of its own."""

    def __init__(self, words: list[str], typed: str = "", **variables: str) -> None:
        self.keyboard, screen = pty.openpty()
        termios.tcsetwinsize(screen, (24, 80))
        os.write(self.keyboard, typed.encode())
        env = {**os.environ, "TERM": "xterm", **variables}
        self.program = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, "review", *words],
            stdin=screen,
            stdout=screen,
            stderr=screen,
            env=env,
            start_new_session=True,
        )
        os.close(screen)
        self.text = ""

    def sees(self, words: str) -> None:
        """Read until the words were written. Fails at the end of the program."""
        while words not in self.text:
            piece = self._read()
            assert piece, f"{words!r} never came: {self.text}"
            self.text += piece

    def type(self, keys: str) -> None:
        os.write(self.keyboard, keys.encode())

    def end(self) -> int:
        """Wait for the program's end; its exit code."""
        while piece := self._read():
            self.text += piece
        return self.program.wait()

    def close(self) -> None:
        """Nothing is left behind, also after a failure."""
        self.program.kill()
        self.program.wait()
        os.close(self.keyboard)

    def _read(self) -> str:
        try:
            return os.read(self.keyboard, 65536).decode("utf-8", "replace")
        except OSError:  # the other side was closed
            return ""


@pytest.fixture
def start(database: Path) -> Iterator[Callable[..., Terminal]]:
    started: list[Terminal] = []

    def open_terminal(words: list[str], typed: str = "", **variables: str) -> Terminal:
        started.append(Terminal(words, typed, **variables))
        return started[-1]

    yield open_terminal
    for terminal in started:
        terminal.close()


@pytest.fixture
def item(waiting: Callable[[], ReviewItem]) -> ReviewItem:
    return waiting()


def test_the_word_approve_approves_the_call_that_was_shown(start: Start, now: Any, item: ReviewItem) -> None:
    terminal = start(["approve", item.id, "--reviewer", "Aya"])
    terminal.sees(PROMPT)
    assert '"path": "メモ.txt"' in terminal.text
    assert item.digest in terminal.text
    terminal.type("approve\n")
    assert terminal.end() == 0
    assert "may run once" in terminal.text
    assert (now(item.id).state, now(item.id).reviewer) == ("approved", "Aya")


@pytest.mark.parametrize("typed", ["\n", "y\n", "yes\n", "APPROVE\n", "approve it\n", "\x04"])
def test_anything_else_leaves_it_waiting(start: Start, now: Any, item: ReviewItem, typed: str) -> None:
    terminal = start(["approve", item.id])
    terminal.sees(PROMPT)
    terminal.type(typed)
    assert terminal.end() != 0
    assert "Traceback" not in terminal.text
    assert now(item.id).state == "pending"


def test_the_word_typed_ahead_does_not_count(start: Start, now: Any, item: ReviewItem) -> None:
    terminal = start(["approve", item.id], typed="approve\napprove\n")
    terminal.sees(PROMPT)
    terminal.type("\n")
    assert terminal.end() == 1
    assert "goes on waiting" in terminal.text
    assert now(item.id).state == "pending"


def test_in_a_terminal_the_full_screen_view_opens_and_q_leaves(start: Start, item: ReviewItem) -> None:
    terminal = start(["--reviewer", "Aya"])
    terminal.sees(item.digest)
    terminal.type("q")
    assert terminal.end() == 0
    assert "reviewer Aya" in terminal.text
    assert re.search(r"\x1b\[[0-9;]*9[0-7]m", terminal.text)


def test_without_colour_nothing_is_coloured(start: Start, item: ReviewItem) -> None:
    terminal = start([], NO_COLOR="1")
    terminal.sees(item.digest)
    terminal.type("q")
    assert terminal.end() == 0
    assert not re.search(r"\x1b\[[0-9;]*[349][0-8][;m]", terminal.text)


def test_a_key_that_was_pressed_before_the_screen_came_does_not_decide(
    start: Start, now: Any, item: ReviewItem
) -> None:
    terminal = start([], typed="aaayyyy\r")
    terminal.sees(item.digest)
    terminal.type("q")
    assert terminal.end() == 0
    assert now(item.id).state == "pending"
