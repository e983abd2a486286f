"""Where the user's lines come from: a prompt in a terminal, or plain lines from a pipe."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol

from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document

from so8t.agent.chat.commands import COMMANDS
from so8t.agent.terminal import one_line

if TYPE_CHECKING:
    from so8t.agent.chat.app import Chat

NEEDLESS = {".git", "__pycache__", ".venv", "node_modules"}


class Reader(Protocol):
    """Gives one line at a time."""

    async def read(self) -> str | None:
        """The next line, stripped; None at the end."""
        ...


def reader(chat: Chat, terminal: bool) -> Reader:
    """The reader that fits."""
    return Prompt(chat) if terminal else Pipe()


class Pipe:
    """Lines from standard input. A thread waits for each one, so that Ctrl-C need not wait for it."""

    def __init__(self) -> None:
        try:  # Python locks sys.stdin when it ends, and would meet the thread that still reads there
            self._stdin: BinaryIO = open(sys.stdin.fileno(), "rb", closefd=False)  # noqa: SIM115 - read to the end
        except OSError:  # no file behind it
            self._stdin = sys.stdin.buffer

    async def read(self) -> str | None:
        """The next line. Bytes that are no UTF-8 become replacement characters."""
        loop = asyncio.get_running_loop()
        line: asyncio.Future[bytes] = loop.create_future()
        threading.Thread(target=self._wait, args=(loop, line), name="so8t-stdin", daemon=True).start()
        text = (await line).decode("utf-8", "replace")
        return text.strip() if text else None

    def _wait(self, loop: asyncio.AbstractEventLoop, line: asyncio.Future[bytes]) -> None:
        text = self._stdin.readline()
        with suppress(RuntimeError):  # the program ended meanwhile
            loop.call_soon_threadsafe(lambda: None if line.done() else line.set_result(text))


class Prompt:
    """prompt_toolkit, with history, completion and a status bar."""

    def __init__(self, chat: Chat) -> None:
        from prompt_toolkit import PromptSession

        from so8t.agent.chat.history import MaskedHistory

        self._chat = chat
        self._session: PromptSession[str] = PromptSession(
            history=MaskedHistory(chat.session.data / "history", chat.session.ledger.masked),
            completer=Completions(chat),
            complete_while_typing=False,
            bottom_toolbar=self._status,
            refresh_interval=1.0,
        )

    async def read(self) -> str | None:
        """The next line. Ctrl-C clears it, and where it is empty stops the turn behind it; Ctrl-D leaves."""
        from prompt_toolkit.patch_stdout import patch_stdout

        try:
            with patch_stdout():
                line = await self._session.prompt_async("› ", handle_sigint=False)
        except KeyboardInterrupt:
            if not self._session.default_buffer.text:
                self._chat.turns.interrupt()
            return ""
        except EOFError:
            return None
        return line.encode("utf-8", "surrogateescape").decode("utf-8", "replace").strip()

    def _status(self) -> str:
        waiting = f"{self._chat.waiting} waiting for review" if self._chat.waiting else "nothing waits"
        return f" {waiting} · {one_line(self._chat.session.title, 60)} "


class Completions(Completer):
    """/commands at the start of a line, tool names after /call, file names of the workspace elsewhere."""

    def __init__(self, chat: Chat) -> None:
        self._chat = chat

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterator[Completion]:
        """What could stand here."""
        before = document.text_before_cursor
        word = document.get_word_before_cursor(WORD=True)
        if before.startswith("/") and " " not in before:
            options = list(COMMANDS)
        elif before.startswith("/call ") and before.count(" ") == 1:
            options = [spec.name for spec in self._chat.agent.parts.toolbox.specs]
        else:
            options = list(_files(self._chat.session.workspace, word)) if word else []
        for option in options:
            if option.startswith(word) and one_line(option, 1000) == option:  # a strange file name is not offered
                yield Completion(option, start_position=-len(word), display=one_line(option, 80))


def _files(root: Path, word: str) -> Iterator[str]:
    folder, _, begin = word.rpartition("/")
    if folder.startswith("/") or ".." in Path(folder).parts:
        return
    try:
        names = sorted(entry.name + "/" * entry.is_dir() for entry in (root / folder).iterdir())
    except (OSError, ValueError):
        return
    for name in names:
        if name.startswith(begin) and name.rstrip("/") not in NEEDLESS:
            yield f"{folder}/{name}" if folder else name
