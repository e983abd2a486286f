"""Where the user's lines come from: a prompt in a terminal, or plain lines from a pipe."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

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
    """Lines from standard input."""

    async def read(self) -> str | None:
        """The next line. Bytes that are no UTF-8 become replacement characters."""
        line = await asyncio.to_thread(sys.stdin.buffer.readline)
        return line.decode("utf-8", "replace").strip() if line else None


class Prompt:
    """prompt_toolkit, with history, completion and a status bar."""

    def __init__(self, chat: Chat) -> None:
        from prompt_toolkit import PromptSession
        from prompt_toolkit.history import FileHistory

        self._chat = chat
        self._session: PromptSession[str] = PromptSession(
            history=FileHistory(str(chat.session.data / "history")),
            completer=Completions(chat),
            complete_while_typing=False,
            bottom_toolbar=self._status,
            refresh_interval=1.0,
        )

    async def read(self) -> str | None:
        """The next line; Ctrl-C clears it, Ctrl-D leaves."""
        from prompt_toolkit.patch_stdout import patch_stdout

        try:
            with patch_stdout():
                return (await self._session.prompt_async("› ")).strip()
        except KeyboardInterrupt:
            return ""
        except EOFError:
            return None

    def _status(self) -> str:
        waiting = f"{self._chat.waiting} waiting for review" if self._chat.waiting else "nothing waits"
        return one_line(f" {self._chat.session.title} · {waiting} ", 300)


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
            if option.startswith(word):
                yield Completion(option, start_position=-len(word), display=one_line(option, 80))


def _files(root: Path, word: str) -> Iterator[str]:
    folder, _, _ = word.rpartition("/")
    if folder.startswith(("/", "..")):
        return
    try:
        for entry in sorted((root / folder).iterdir())[:500]:
            if entry.name not in NEEDLESS:
                yield f"{folder}/{entry.name}" if folder else entry.name
    except OSError:
        return
