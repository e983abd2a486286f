"""`so8t chat` in a real (pseudo) terminal, for the tests here."""

from __future__ import annotations

import json
import os
import re
import select
import subprocess
import sys
from codecs import getincrementaldecoder
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from so8t.gate.head import Head

if sys.platform != "win32":
    import fcntl
    import pty
    import termios

WORKER = Path(__file__).parents[2] / "lib" / "chat_worker.py"
PROMPT = "[prompt]"
CURSOR = b"\x1b[6n"  # where is it?
PASTE = "\x1b[?2004h"  # what prompt_toolkit begins a prompt with
TOOLS = '''
import asyncio
from pathlib import Path
from so8t.tools import tool

@tool(effects={"write"})
async def linger(name: str) -> str:
    """Write a file, then wait until it is taken away."""
    Path(name).write_text("here", encoding="utf-8")
    while Path(name).exists():
        await asyncio.sleep(0.01)
    return "it was taken away"
'''


class Terminal:
    """The chat in a terminal of its own."""

    def __init__(self, head: Path, size: tuple[int, int], **variables: str) -> None:
        self.keyboard, self.screen = pty.openpty()
        termios.tcsetwinsize(self.screen, size)
        env = {**os.environ, "TERM": "xterm", "PYTHONUTF8": "1", **variables}
        self.places = "PROMPT_TOOLKIT_NO_CPR" not in env  # it says where the cursor is
        self.program = subprocess.Popen(
            [sys.executable, WORKER, head],
            stdin=self.screen,
            stdout=self.screen,
            stderr=self.screen,
            env=env,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0) and None,  # Ctrl-C comes as a signal
        )
        self.text = ""  # what came and was not seen yet, without escape sequences
        self.written = b""
        self._raw = ""
        self._decoder = getincrementaldecoder("utf-8")("replace")

    def sees(self, *words: str) -> str:
        """Read until the words were written, one after the other, and return what came."""
        came = ""
        for word in words:
            while word not in self.text:
                self._read(word)
            before, _, self.text = self.text.partition(word)
            came += before + word
        return came

    def _read(self, word: str) -> None:
        ended = self.program.poll() is not None
        if select.select([self.keyboard], [], [], 0.1)[0]:
            piece = os.read(self.keyboard, 65536)
            self.written += piece
            if CURSOR in piece and self.places:
                self.type("\x1b[1;1R")
            self._raw += self._decoder.decode(piece)
            whole = re.search(r"(?:\x1b[^A-Za-z]*)?\Z", self._raw)  # an escape sequence may be cut in two
            assert whole is not None
            done, self._raw = self._raw[: whole.start()], self._raw[whole.start() :]
            self.text += re.sub(r"\x1b[^A-Za-z]*[A-Za-z]|\r", "", done.replace(PASTE, PROMPT))
        else:
            assert not ended, f"{word!r} never came: {self.text}"

    def ready(self, *words: str) -> str:
        """Read until the words were written and a prompt came after them."""
        return self.sees(*words, PROMPT)

    def type(self, keys: str | bytes) -> None:
        os.write(self.keyboard, keys if isinstance(keys, bytes) else keys.encode())

    def leave(self) -> int:
        """Ctrl-D at the prompt; the exit code."""
        self.type("\x04")
        return self.program.wait()

    def close(self) -> None:
        """Nothing is left behind, also after a failure."""
        self.program.kill()
        self.program.wait()
        os.close(self.keyboard)
        os.close(self.screen)


@pytest.fixture
def start(folder: Path, head: Head, tmp_path: Path) -> Iterator[Callable[..., Terminal]]:
    started: list[Terminal] = []
    (folder / "mine.py").write_text(TOOLS, encoding="utf-8")
    (folder / "agent.toml").write_text(
        '[model]\nengine = "scripted"\nscripted.file = "script.json"\n[tools]\npaths = ["mine.py"]\n', encoding="utf-8"
    )

    def open_terminal(
        *replies: Any, size: tuple[int, int] = (24, 80), places: bool = False, **variables: str
    ) -> Terminal:
        (folder / "script.json").write_text(json.dumps(replies), encoding="utf-8")
        variables |= {} if places else {"PROMPT_TOOLKIT_NO_CPR": "1"}
        started.append(Terminal(tmp_path / "head", size, **variables))
        return started[-1]

    yield open_terminal
    for terminal in started:
        terminal.close()
