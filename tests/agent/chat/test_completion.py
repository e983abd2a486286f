"""What the Tab key offers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document

from so8t.agent.chat.commands import COMMANDS
from so8t.agent.chat.reader import Completions
from so8t.tools import Toolbox, tool


@pytest.fixture
def offered(tmp_path: Path) -> Callable[[str], list[str]]:
    """The words that Tab offers after a text, in a workspace with some files."""
    work = tmp_path / "work"
    (work / "sub").mkdir(parents=True)
    (tmp_path / "outside.txt").touch()
    for name in ("notes.md", "note.txt", "メモ.txt", "sub/inner.txt", "e\u202evil.txt", ".git"):
        (work / name).touch()

    @tool(effects={"read"})
    def peek(what: str) -> str:
        """Look."""
        return what

    chat: Any = SimpleNamespace(
        session=SimpleNamespace(workspace=work), agent=SimpleNamespace(parts=SimpleNamespace(toolbox=Toolbox([peek])))
    )
    completions = Completions(chat)
    return lambda text: [c.text for c in completions.get_completions(Document(text), CompleteEvent())]


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("/", list(COMMANDS)),
        ("/pe", ["/pending"]),
        ("/call ", ["peek"]),
        ("/call x", []),
        ("read no", ["note.txt", "notes.md"]),
        ("read メ", ["メモ.txt"]),
        ("read su", ["sub/"]),
        ("read sub/", ["sub/inner.txt"]),
        ("read sub/x", []),
        ("read nowhere/", []),
        ("read ../", []),
        ("read sub/../../o", []),
        ("read /et", []),
        ("read .g", []),
        ("read e", []),  # a name that looks like another one is not offered
        ("read \0/", []),
        ("", []),
        ("read ", []),
    ],
)
def test_tab_offers(offered: Callable[[str], list[str]], typed: str, words: list[str]) -> None:
    assert offered(typed) == words
