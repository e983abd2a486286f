"""A real queue for the reviewer's side, the command line before it, and a screen that a test types on."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Coroutine, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from prompt_toolkit.application import create_app_session
from prompt_toolkit.data_structures import Size
from prompt_toolkit.input import PipeInput, create_pipe_input
from prompt_toolkit.output import DummyOutput

from so8t.agent.cli.main import cli
from so8t.agent.review.desk import Desk
from so8t.agent.review.screen import Screen
from so8t.audit_db import Masker, ReviewItem, ReviewQueue, Store, Trail
from so8t.gate.contract import (
    Call,
    Decision,
    Effect,
    Finding,
    Message,
    Proposal,
    Source,
    Thresholds,
    ToolSpec,
    Verdict,
    Versions,
)

OWNER = "ken@desk:/srv/shop"
FINDINGS = (
    Finding(Source.HEAD, Decision.ESCALATE, "the head is not sure"),
    Finding(Source.POLICY, Decision.ESCALATE, "files of the shop", "shop-files"),
)
VERSIONS = Versions("p" * 64, "h" * 64, "MiniLM", "1")


def put(store: Store, call: Call, words: str, ttl: timedelta) -> ReviewItem:
    """Put a call into the queue, as an agent does after an ESCALATE."""
    spec = ToolSpec(call.name, "A tool.", frozenset({Effect.WRITE}))
    numbers = (0.25, 0.7, 0.05), Thresholds(0.93, 0.81), 4.0
    verdict = Verdict(Decision.ESCALATE, Source.POLICY, FINDINGS, call.digest, VERSIONS, *numbers)
    Trail(store).decided("s1", Proposal((Message("user", words),), spec, call), verdict)
    return ReviewQueue(store).submit("s1", OWNER, call, spec, verdict, words, ttl)


def edit(database: Path, statement: str) -> None:
    """What somebody does who changes the database by hand."""
    conn = sqlite3.connect(database)
    conn.execute(statement)
    conn.commit()
    conn.close()


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the trail will be; an empty data folder and an empty agent.toml for this test only."""
    (tmp_path / "agent.toml").touch()
    monkeypatch.setenv("SO8T_DATA", str(tmp_path))
    monkeypatch.setenv("SO8T_CONFIG", str(tmp_path / "agent.toml"))
    return tmp_path / "so8t.db"


@pytest.fixture
def run(database: Path) -> Callable[..., Result]:
    """`so8t review WORDS`, without a terminal."""
    return lambda *words: CliRunner().invoke(cli, ["review", *words])


@pytest.fixture
def by_hand(database: Path) -> Callable[[str], None]:
    """Changes the database behind the back of so8t."""
    return lambda statement: edit(database, statement)


@pytest.fixture
def waiting(database: Path) -> Callable[..., ReviewItem]:
    """Puts a call into the queue, some hours ago."""

    def submit(ago: float = 0, **arguments: Any) -> ReviewItem:
        then = datetime.now(UTC) - timedelta(hours=ago)
        call = Call.of("write_file", arguments or {"path": "メモ.txt", "content": "one\ntwo"})
        with Store.open(f"sqlite:///{database}", Masker(), clock=lambda: then) as store:
            return put(store, call, "売上をメモして", timedelta(hours=72))

    return submit


@pytest.fixture
def now(database: Path) -> Callable[[str], ReviewItem]:
    """An item as it is now in the database."""

    def read(id: str) -> ReviewItem:
        with Store.open(f"sqlite:///{database}", Masker()) as store:
            assert Trail(store).verify().ok
            return ReviewQueue(store).get(id)

    return read


async def until(true: Callable[[], bool]) -> None:
    """Let the screen work until something is true. Raises TimeoutError where it never is."""
    for _ in range(4000):
        if true():
            return
        await asyncio.sleep(0.005)  # the screen draws by its own clock
    raise TimeoutError


class Sized(DummyOutput):
    """A terminal of a given size that shows nothing."""

    def __init__(self, columns: int, rows: int) -> None:
        self.size = Size(rows=rows, columns=columns)

    def get_size(self) -> Size:
        return self.size


class Desktop:
    """A queue, a clock that only the test moves, and a reviewer in front of a screen."""

    def __init__(self, file: Path) -> None:
        self.now = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
        self.seconds = 0.0  # of the screen's own clock
        self.file = file
        self.store = Store.open(f"sqlite:///{file}", Masker(), clock=lambda: self.now)
        self.queue = ReviewQueue(self.store)
        self.screen: Screen
        self.pipe: PipeInput

    def waiting(self, tool: str = "write_file", words: str = "do it", **arguments: Any) -> ReviewItem:
        """Put a call into the queue; each is a second younger than the one before."""
        self.now += timedelta(seconds=1)
        return put(self.store, Call.of(tool, arguments or {"path": "notes.txt"}), words, timedelta(hours=1))

    def by_hand(self, statement: str) -> None:
        """Change the database behind the back of so8t."""
        edit(self.file, statement)

    def play(self, story: Callable[[Desktop], Coroutine[Any, Any, None]], columns: int = 80, rows: int = 24) -> None:
        """Run the screen while the story goes on; leave at its end."""

        async def run() -> None:
            with create_pipe_input() as self.pipe, create_app_session(input=self.pipe, output=Sized(columns, rows)):
                self.screen = Screen(Desk(self.store, "Aya"), clock=lambda: self.seconds)
                running = asyncio.create_task(self.screen.run())
                try:
                    await story(self)
                finally:
                    if not running.done():
                        self.screen.app.exit()
                    await running

        asyncio.run(run())

    def keys(self, text: str) -> None:
        """Type."""
        self.pipe.send_text(text)

    def picture(self) -> list[str]:
        """The rows that are on the screen."""
        drawn = self.screen.app.renderer.last_rendered_screen
        if drawn is None:
            return []
        size = self.screen.app.output.get_size()
        return ["".join(drawn.data_buffer[y][x].char for x in range(size.columns)).rstrip() for y in range(size.rows)]

    async def sees(self, *words: str, without: str = "\0") -> str:
        """Wait until all of this is on the screen. Fails with the picture where that never comes."""

        def there() -> bool:
            text = "\n".join(self.picture())
            return all(word in text for word in words) and without not in text

        try:
            await until(there)
        except TimeoutError:
            raise AssertionError(f"{words} without {without!r} never came:\n" + "\n".join(self.picture())) from None
        return "\n".join(self.picture())

    async def asked(self, key: str = "a") -> None:
        """Press the key; wait until the question was on the screen for a while."""
        self.keys(key)
        await self.sees("APPROVE" if key == "a" else "reason:")
        self.seconds += 1

    async def until(self, true: Callable[[], bool]) -> None:
        """Let the screen work until something is true. Raises TimeoutError where it never is."""
        await until(true)

    def state(self, item: ReviewItem) -> str:
        return self.queue.get(item.id).state


@pytest.fixture
def desktop(tmp_path: Path) -> Iterator[Desktop]:
    made = Desktop(tmp_path / "so8t.db")
    yield made
    made.store.close()
