"""The full-screen view: what it shows, and how one moves in it."""

from __future__ import annotations

from typing import Any

import pytest

QUESTION = "APPROVE"


def test_the_list_and_the_selected_call_are_on_the_screen(desktop: Any) -> None:
    item, _ = desktop.waiting(path="メモ.txt"), desktop.waiting("send_mail", to="a@b.example")

    async def story(d: Any) -> None:
        text = await d.sees("2 waiting", "> ", item.digest)
        for word in ("reviewer Aya", "write_file", "send_mail", "ken@desk:/srv", "the head is not s"):
            assert word in text
        for word in (f"{len(item.arguments_json.encode())} bytes", "do it", "ALLOW 0.250", "PgDn"):
            assert word in text
        assert "".join('"path": "メモ.txt"') in text.replace("メ ", "メ").replace("モ ", "モ")

    desktop.play(story)


def test_an_empty_queue_says_so(desktop: Any) -> None:
    async def story(d: Any) -> None:
        await d.sees("0 waiting", "No call waits")
        d.keys("jkar\r y")
        await d.sees("No call waits")

    desktop.play(story)


def test_new_calls_appear_by_themselves_and_the_selection_stays(desktop: Any) -> None:
    item = desktop.waiting(path="1")

    async def story(d: Any) -> None:
        await d.sees("1 waiting", item.digest)
        d.waiting(path="2")
        await d.sees("2 waiting", item.digest)

    desktop.play(story)


def test_when_the_selected_call_leaves_the_next_one_is_shown_before_it_can_be_decided(desktop: Any) -> None:
    first, second = desktop.waiting(path="1"), desktop.waiting(path="2")

    async def story(d: Any) -> None:
        await d.sees(first.digest)
        d.queue.refuse(first.id, "Bob", "no")
        d.screen.look()
        await d.sees("1 waiting", second.digest)

    desktop.play(story)


def test_a_long_call_is_scrolled_and_what_was_not_shown_is_said(desktop: Any) -> None:
    item = desktop.waiting(content="\n".join(f"line {number} of the script" for number in range(100)))

    async def story(d: Any) -> None:
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
def test_it_fits_the_terminal(desktop: Any, columns: int, rows: int) -> None:
    items = [desktop.waiting(tool="tool" * 20, content="日本語" * 100, number=number) for number in range(30)]
    last = items[-1]

    async def story(d: Any) -> None:
        await d.sees("so8t", ">", "approve")
        d.keys("j" * 29)
        await d.until(lambda: d.screen.state.drawn == last)
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


def test_help_explains_every_key_and_q_leaves(desktop: Any) -> None:
    async def story(d: Any) -> None:
        await d.sees("No call waits")
        d.keys("?")
        text = await d.sees("any key: back")
        for word in ("PageDown", "PageUp", "approve", "refuse", "leave", "‹U+202E›", "Enter never approves"):
            assert word in " ".join(text.split())
        d.keys("q")
        await d.sees("No call waits")
        d.keys("q")
        await d.until(lambda: not d.screen.app.is_running)

    desktop.play(story, 40, 20)
