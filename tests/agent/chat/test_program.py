"""`so8t chat` as a program in a terminal: turns, keys, history, colours."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

if sys.platform == "win32":
    pytest.skip("needs pseudo terminals", allow_module_level=True)

import termios

WORKER = Path(__file__).parents[2] / "lib" / "chat_worker.py"


def appears(file: Path) -> None:
    """Wait until the file is there."""
    while not file.exists():
        time.sleep(0.01)  # another program makes it: there is no event to wait for


def test_a_turn_is_drawn_and_the_prompt_comes_back_until_ctrl_d(start: Any, folder: Path) -> None:
    chat = start({"calls": [{"name": "linger", "arguments": {"name": "x"}}]}, {"text": "This is all."})
    chat.ready("/help")
    chat.type("wait a little\r")
    chat.sees("● linger", "✓ ALLOW")
    appears(folder / "x")
    (folder / "x").unlink()
    chat.ready("✓ done", "it was taken away", "This is all.")
    assert chat.leave() == 0


def test_ctrl_c_stops_the_turn_and_only_it(start: Any) -> None:
    chat = start({"calls": [{"name": "linger", "arguments": {"name": "x"}}]}, {"text": "Still here."})
    chat.ready()
    chat.type("wait a little\r")
    chat.sees("✓ ALLOW")
    chat.type("\x03")
    chat.ready("· stopped")
    chat.type("are you there?\r")
    chat.ready("Still here.")
    assert chat.leave() == 0


def test_ctrl_c_at_the_prompt_clears_the_line_and_does_not_leave(start: Any) -> None:
    chat = start({"text": "Still here."})
    chat.ready()
    chat.type("half a thought")
    chat.sees("thought")
    chat.type("\x03")
    chat.ready()
    chat.type("\x03")
    chat.ready()
    chat.type("hello\r")
    chat.ready("Still here.")
    assert chat.leave() == 0


def test_the_keys_that_are_pressed_meanwhile_wait_for_the_prompt(start: Any, folder: Path) -> None:
    chat = start({"calls": [{"name": "linger", "arguments": {"name": "x"}}]}, {"text": "One."}, {"text": "Two."})
    chat.ready()
    chat.type("first\r")
    chat.sees("✓ ALLOW")
    appears(folder / "x")
    chat.type("second\r")
    (folder / "x").unlink()
    assert "second" not in chat.sees("One.")
    chat.ready("second", "Two.")
    assert chat.leave() == 0


def test_the_history_is_kept_with_its_secrets_masked(start: Any, tmp_path: Path) -> None:
    secret = "ghp_" + "a1B2" * 9
    chat = start({"text": "One."})
    chat.ready()
    chat.type(f"my 鍵 is {secret}\r")
    chat.ready("One.")
    assert chat.leave() == 0
    kept = (tmp_path / "data" / "history").read_text(encoding="utf-8")
    assert "my 鍵 is" in kept
    assert secret not in kept
    chat = start({"text": "Two."})
    chat.ready()
    chat.type("\x1b[A")
    assert secret not in chat.sees("my 鍵 is")
    chat.type("\x15\x04")
    assert chat.program.wait() == 0


def test_commands_tools_and_file_names_are_completed(start: Any, folder: Path) -> None:
    (folder / "買い物リスト.txt").write_text("x", encoding="utf-8")
    chat = start()
    chat.ready()
    for typed, whole in (
        ("/pen\t", "/pending"),
        ("/call lin\t", "/call linger"),
        ("read 買\t", "read 買い物リスト.txt"),
    ):
        chat.type(typed)
        chat.sees(whole[len(typed) - 1 :])
        chat.type("\x15")
    assert chat.leave() == 0


def test_bytes_that_are_no_utf8_reach_nobody(start: Any) -> None:
    chat = start({"text": "Pardon?"})
    chat.ready()
    chat.type(b"a\xff\xc3b\r")
    chat.ready("Pardon?")
    assert chat.leave() == 0


def test_no_color_means_no_colour(start: Any) -> None:
    for variables, coloured in ({}, True), ({"NO_COLOR": "1"}, False):
        chat = start(**variables)
        chat.ready()
        chat.type('/call read_file {"path": "none"}\r')
        chat.ready("ALLOW", "error")
        assert chat.leave() == 0
        assert bool(re.search(rb"\x1b\[[0-9;]*(3[1-7]|9[0-7])[;m]", chat.written)) is coloured


def test_the_terminal_is_as_before_afterwards(start: Any) -> None:
    chat = start({"text": "One."})
    before = termios.tcgetattr(chat.screen)
    chat.ready()
    chat.type("hello\r")
    chat.ready("One.")
    assert chat.leave() == 0
    assert termios.tcgetattr(chat.screen) == before


def test_a_narrow_terminal_gets_whole_words(start: Any) -> None:
    chat = start({"text": "Several words that do not all fit into one narrow row."}, size=(20, 40))
    chat.ready()
    chat.type("hello\r")
    rows = chat.sees("narrow row.").split("\n")
    assert rows[-2:] == ["  Several words that do not all fit ", "  into one narrow row."]
    chat.ready()
    assert chat.leave() == 0


def test_ctrl_c_ends_a_chat_that_waits_for_a_pipe(start: Any, folder: Path, tmp_path: Path) -> None:
    chat = start()
    chat.ready()
    assert chat.leave() == 0
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [sys.executable, WORKER, tmp_path / "head"], stdin=pipe, stdout=pipe, stderr=pipe, env={**os.environ}
    ) as program:
        assert program.stdout is not None
        assert program.stderr is not None
        while b"/help" not in program.stdout.readline():
            pass
        program.send_signal(signal.SIGINT)
        assert (program.wait(), program.stdout.read(), program.stderr.read().strip()) == (130, b"", b"")
