"""The full-screen view: which keys decide, and which must not."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

QUESTION = "APPROVE"


def test_a_and_then_a_deliberate_y_approve_the_call_that_is_shown(desktop: Any) -> None:
    first, second = desktop.waiting(path="1"), desktop.waiting(path="2")

    async def story(d: Any) -> None:
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
def test_no_other_key_approves(desktop: Any, key: str) -> None:
    item = desktop.waiting()

    async def story(d: Any) -> None:
        await d.sees(item.digest)
        await d.asked()
        d.keys(key)
        await d.sees("it goes on waiting", without=QUESTION)
        d.keys("y")  # no question is open
        d.keys("?")
        await d.sees("any key: back")

    desktop.play(story)
    assert desktop.state(item) == "pending"


def test_keys_typed_ahead_do_not_approve(desktop: Any) -> None:
    item = desktop.waiting()

    async def story(d: Any) -> None:
        await d.sees(item.digest)
        d.keys("ayyy\ry")  # all at once: read before the question is drawn
        await d.sees(QUESTION)
        d.seconds += 1
        d.keys("n")
        await d.sees("it goes on waiting")
        assert d.state(item) == "pending"

    desktop.play(story)


def test_keys_that_arrive_while_the_question_is_drawn_do_not_approve(desktop: Any) -> None:
    item = desktop.waiting()

    async def story(d: Any) -> None:
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


def test_an_answer_that_comes_too_soon_does_not_count_and_starts_the_wait_again(desktop: Any) -> None:
    item = desktop.waiting()

    async def story(d: Any) -> None:
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
def test_a_question_about_an_item_that_changes_is_withdrawn(desktop: Any, how: str, key: str) -> None:
    item, other = desktop.waiting(path="1"), desktop.waiting(path="2")

    async def story(d: Any) -> None:
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
                d.by_hand(f"UPDATE review_item SET user_text = 'hm' WHERE id = '{item.id}'")
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


def test_an_edited_item_is_not_shown_and_cannot_be_decided(desktop: Any) -> None:
    item = desktop.waiting()
    desktop.by_hand("""UPDATE review_item SET arguments = '{"path":"harmless"}'""")

    async def story(d: Any) -> None:
        text = await d.sees("does not agree with the audit trail")
        assert "harmless" not in text
        d.keys("ay")
        d.keys("?")
        await d.sees("any key: back")

    desktop.play(story)
    assert [i.state for i in desktop.queue.items()] == ["pending"]
    assert item.id == desktop.queue.items()[0].id


def test_r_asks_for_a_reason_and_refuses_with_it(desktop: Any) -> None:
    item = desktop.waiting()

    async def story(d: Any) -> None:
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


def test_a_refusal_can_be_left_and_its_half_written_reason_is_gone(desktop: Any) -> None:
    item = desktop.waiting()

    async def story(d: Any) -> None:
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


def test_a_reason_typed_ahead_does_not_refuse(desktop: Any) -> None:
    item = desktop.waiting()

    async def story(d: Any) -> None:
        await d.sees(item.digest)
        d.keys("rno\r")
        await d.sees("reason:")
        d.keys("x")
        await d.sees("reason: x")

    desktop.play(story)
    assert desktop.state(item) == "pending"


def test_an_error_of_the_queue_is_told_and_nothing_is_lost(desktop: Any) -> None:
    item = desktop.waiting()

    async def story(d: Any) -> None:
        await d.sees(item.digest)
        await d.asked()
        d.queue.refuse(item.id, "Bob", "I was first")
        d.keys("y")
        await d.sees("refused already", "No call waits")

    desktop.play(story)
    assert desktop.queue.get(item.id).reviewer == "Bob"
