"""The full-screen view of `so8t review`: real keys through a pipe, a real queue, and what stands on the screen."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Coroutine, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.data_structures import Size
from prompt_toolkit.input import PipeInput, create_pipe_input
from prompt_toolkit.output import DummyOutput

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

QUESTION = "APPROVE"


async def until(true: Callable[[], bool]) -> None:
    """Let the screen work until something is true. Raises TimeoutError where it never is."""
    for _ in range(4000):
        if true():
            return
        await asyncio.sleep(0.005)
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
        spec = ToolSpec(tool, "A tool.", frozenset({Effect.WRITE}))
        call = Call.of(tool, arguments or {"path": "notes.txt"})
        finding = Finding(Source.HEAD, Decision.ESCALATE, "the head is not sure")
        versions, thresholds = Versions("p" * 64, "h" * 64, "MiniLM", "1"), Thresholds(0.93, 0.81)
        verdict = Verdict(
            Decision.ESCALATE, Source.HEAD, (finding,), call.digest, versions, (0.25, 0.7, 0.05), thresholds
        )
        Trail(self.store).decided("s1", Proposal((Message("user", words),), spec, call), verdict)
        self.now += timedelta(seconds=1)  # the next one is younger
        return self.queue.submit("s1", "ken@desk:/work", call, spec, verdict, words, timedelta(hours=1))

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
        await self.sees(QUESTION if key == "a" else "reason:")
        self.seconds += 1

    def state(self, item: ReviewItem) -> str:
        return self.queue.get(item.id).state


@pytest.fixture
def desktop(tmp_path: Path) -> Iterator[Desktop]:
    made = Desktop(tmp_path / "so8t.db")
    yield made
    made.store.close()


def test_the_list_and_the_selected_call_are_on_the_screen(desktop: Desktop) -> None:
    item, _ = desktop.waiting(path="メモ.txt"), desktop.waiting("send_mail", to="a@b.example")

    async def story(d: Desktop) -> None:
        text = await d.sees("2 waiting", "> ", item.digest)
        for word in ("reviewer Aya", "write_file", "send_mail", "ken@desk:/work", "the head is not s"):
            assert word in text
        for word in (f"{len(item.arguments_json.encode())} bytes", "do it", "ALLOW 0.250", "PgDn"):
            assert word in text
        assert "".join('"path": "メモ.txt"') in text.replace("メ ", "メ").replace("モ ", "モ")

    desktop.play(story)


def test_an_empty_queue_says_so(desktop: Desktop) -> None:
    async def story(d: Desktop) -> None:
        await d.sees("0 waiting", "No call waits")
        d.keys("jkar\r y")
        await d.sees("No call waits")

    desktop.play(story)


def test_a_and_then_a_deliberate_y_approve_the_call_that_is_shown(desktop: Desktop) -> None:
    first, second = desktop.waiting(path="1"), desktop.waiting(path="2")

    async def story(d: Desktop) -> None:
        await d.sees(first.digest)
        d.keys("j")
        await d.sees(second.digest)
        await d.asked()
        assert any(second.digest[:12] in row and "write_file" in row for row in d.picture())
        d.keys("y")
        await d.sees("1 waiting", f"approved: {second.id}")

    desktop.play(story)
    found = desktop.queue.get(second.id)
    assert (found.state, found.reviewer) == ("approved", "Aya")
    assert desktop.state(first) == "pending"


@pytest.mark.parametrize("key", ["\r", "\n", " ", "n", "a", "q", "Y", "\x1b", "\x03", "\x1b[B", "\x1b[200~y\x1b[201~"])
def test_no_other_key_approves(desktop: Desktop, key: str) -> None:
    item = desktop.waiting()

    async def story(d: Desktop) -> None:
        await d.sees(item.digest)
        await d.asked()
        d.keys(key)
        await d.sees("it goes on waiting", without=QUESTION)
        d.keys("y")  # no question is open
        d.keys("?")
        await d.sees("any key: back")

    desktop.play(story)
    assert desktop.state(item) == "pending"


def test_keys_typed_ahead_do_not_approve(desktop: Desktop) -> None:
    item = desktop.waiting()

    async def story(d: Desktop) -> None:
        await d.sees(item.digest)
        d.keys("ayyy\ry")  # all at once: read before the question is drawn
        await d.sees(QUESTION)
        d.seconds += 1
        d.keys("n")
        await d.sees("it goes on waiting")
        assert d.state(item) == "pending"

    desktop.play(story)


def test_keys_that_arrive_while_the_question_is_drawn_do_not_approve(desktop: Desktop) -> None:
    item = desktop.waiting()

    async def story(d: Desktop) -> None:
        d.screen.state.settle = 0.0  # so that only their order counts

        def hurry(_: object) -> None:
            question = d.screen.state.question
            if question is not None and question.drawn_at is None:
                d.keys("y" * 2000)

        d.screen.app.before_render += hurry
        await d.sees(item.digest)
        d.keys("a")
        await d.sees(QUESTION)
        d.keys("n")
        await d.sees("it goes on waiting")
        assert d.state(item) == "pending"
        d.screen.app.before_render -= hurry
        await d.asked()
        d.keys("y")
        await d.sees("approved")

    desktop.play(story)


def test_an_answer_that_comes_too_soon_does_not_count_and_starts_the_wait_again(desktop: Desktop) -> None:
    item = desktop.waiting()

    async def story(d: Desktop) -> None:
        await d.sees(item.digest)
        d.keys("a")
        await d.sees(QUESTION)
        d.seconds += 0.4
        d.keys("y")
        await d.sees("too soon", QUESTION)
        d.seconds += 0.4  # 0.8 after the drawing, 0.4 after the last key
        d.keys("y")
        await d.sees("too soon", QUESTION)
        assert d.state(item) == "pending"
        d.seconds += 0.6
        d.keys("y")
        await d.sees("approved")

    desktop.play(story)
    assert desktop.state(item) == "approved"


@pytest.mark.parametrize("how", ["refused", "approved", "expired", "edited"])
@pytest.mark.parametrize("key", ["a", "r"])
def test_a_question_about_an_item_that_changes_is_withdrawn(desktop: Desktop, how: str, key: str) -> None:
    item, other = desktop.waiting(path="1"), desktop.waiting(path="2")

    async def story(d: Desktop) -> None:
        await d.sees(item.digest)
        await d.asked(key)
        match how:
            case "refused":
                d.queue.refuse(item.id, "Bob", "no")
            case "approved":
                d.queue.approve(item.id, item.digest, "Bob")
            case "expired":
                d.now += timedelta(minutes=59, seconds=59)  # too late for the first only
            case "edited":
                edit(d.file, f"UPDATE review_item SET user_text = 'hm' WHERE id = '{item.id}'")
        d.screen.look()
        await d.sees("was withdrawn", without="reason:" if key == "r" else QUESTION)
        d.keys("y")
        d.keys("?")
        await d.sees("any key: back")

    desktop.play(story)
    states = {i.id: (i.state, i.reviewer) for i in desktop.queue.items()}
    assert states[other.id] == ("pending", None)
    assert states[item.id] != ("approved", "Aya")
    assert states[item.id] != ("refused", "Aya")


def edit(file: Path, statement: str) -> None:
    conn = sqlite3.connect(file)
    conn.execute(statement)
    conn.commit()
    conn.close()


def test_an_edited_item_is_not_shown_and_cannot_be_decided(desktop: Desktop) -> None:
    item = desktop.waiting()
    edit(desktop.file, """UPDATE review_item SET arguments = '{"path":"harmless"}'""")

    async def story(d: Desktop) -> None:
        text = await d.sees("does not agree with the audit trail")
        assert "harmless" not in text
        d.keys("ay")
        d.keys("?")
        await d.sees("any key: back")

    desktop.play(story)
    assert [i.state for i in desktop.queue.items()] == ["pending"]
    assert item.id == desktop.queue.items()[0].id


def test_r_asks_for_a_reason_and_refuses_with_it(desktop: Desktop) -> None:
    item = desktop.waiting()

    async def story(d: Desktop) -> None:
        await d.sees(item.digest)
        await d.asked("r")
        d.keys("\r  \r")  # no reason, no refusal
        d.keys("だめ\u202e\x7f")
        d.keys("!\r")
        await d.sees("refused: ", "No call waits")

    desktop.play(story)
    found = desktop.queue.get(item.id)
    assert (found.state, found.reviewer) == ("refused", "Aya")
    assert found.reviewer_reason == "だめ‹U+202E!"  # the marker of the hidden character lost its last sign


def test_a_refusal_can_be_left_and_its_half_written_reason_is_gone(desktop: Desktop) -> None:
    item = desktop.waiting()

    async def story(d: Desktop) -> None:
        await d.sees(item.digest)
        await d.asked("r")
        d.keys("half")
        await d.sees("reason: half")
        d.keys("\x1b")
        await d.sees("it goes on waiting", without="reason:")
        await d.asked("r")
        assert "half" not in await d.sees("reason:")
        d.keys("\x03")
        await d.sees("it goes on waiting", without="reason:")

    desktop.play(story)
    assert desktop.state(item) == "pending"


def test_a_reason_typed_ahead_does_not_refuse(desktop: Desktop) -> None:
    item = desktop.waiting()

    async def story(d: Desktop) -> None:
        await d.sees(item.digest)
        d.keys("rno\r")
        await d.sees("reason:")
        d.keys("x")
        await d.sees("reason: x")

    desktop.play(story)
    assert desktop.state(item) == "pending"


def test_an_error_of_the_queue_is_told_and_nothing_is_lost(desktop: Desktop) -> None:
    item = desktop.waiting()

    async def story(d: Desktop) -> None:
        await d.sees(item.digest)
        await d.asked()
        d.queue.refuse(item.id, "Bob", "I was first")
        d.keys("y")
        await d.sees("refused already", "No call waits")

    desktop.play(story)
    assert desktop.queue.get(item.id).reviewer == "Bob"


def test_new_calls_appear_by_themselves_and_the_selection_stays(desktop: Desktop) -> None:
    item = desktop.waiting(path="1")

    async def story(d: Desktop) -> None:
        await d.sees("1 waiting", item.digest)
        d.waiting(path="2")
        await d.sees("2 waiting", item.digest)

    desktop.play(story)


def test_when_the_selected_call_leaves_the_next_one_is_shown_before_it_can_be_decided(desktop: Desktop) -> None:
    first, second = desktop.waiting(path="1"), desktop.waiting(path="2")

    async def story(d: Desktop) -> None:
        await d.sees(first.digest)
        d.queue.refuse(first.id, "Bob", "no")
        d.screen.look()
        await d.sees("1 waiting", second.digest)

    desktop.play(story)


def test_a_long_call_is_scrolled_and_what_was_not_shown_is_said(desktop: Desktop) -> None:
    item = desktop.waiting(content="\n".join(f"line {number} of the script" for number in range(100)))

    async def story(d: Desktop) -> None:
        await d.sees("more below", "line 1 of")
        await d.asked()
        await d.sees("rows not shown yet")
        d.keys("n")
        text = await d.sees("line 1 of", without=QUESTION)
        seen = text
        while "more below" in text:
            d.keys("\x1b[6~")
            text = await d.sees("of the script" if "line 99" not in seen else "rows", without=text)
            seen += text
        assert all(f"line {number} of" in seen for number in range(100))
        await d.asked()
        text = await d.sees(QUESTION)
        assert "not shown" not in text
        d.keys("n")
        d.keys("\x1b[5~" * 30)
        await d.sees("line 1 of", "tool     write_file")

    desktop.play(story)
    assert desktop.state(item) == "pending"


@pytest.mark.parametrize(("columns", "rows"), [(80, 24), (40, 20), (20, 8), (200, 60)])
def test_it_fits_the_terminal(desktop: Desktop, columns: int, rows: int) -> None:
    items = [desktop.waiting(tool="tool" * 20, content="日本語" * 100, number=number) for number in range(30)]
    last = items[-1]

    async def story(d: Desktop) -> None:
        await d.sees("so8t", ">", "approve")
        d.keys("j" * 29)
        await until(lambda: d.screen.state.drawn == last)
        d.keys("?")
        await d.sees("any key: back")
        d.keys("x")
        await d.sees("a approve")
        d.keys("a")
        await d.sees(QUESTION, "y: let")
        d.keys("n")
        d.keys("r")
        await d.sees("reason:")

    desktop.play(story, columns, rows)


def test_help_explains_every_key_and_q_leaves(desktop: Desktop) -> None:
    async def story(d: Desktop) -> None:
        await d.sees("No call waits")
        d.keys("?")
        text = await d.sees("any key: back")
        for word in ("PageDown", "PageUp", "approve", "refuse", "leave", "‹U+202E›", "Enter never approves"):
            assert word in " ".join(text.split())
        d.keys("q")
        await d.sees("No call waits")
        d.keys("q")
        await until(lambda: not d.screen.app.is_running)

    desktop.play(story, 40, 20)
