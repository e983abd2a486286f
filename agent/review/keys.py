"""Which key does what. A question takes every key: only a deliberate `y` approves, Enter never does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prompt_toolkit.filters import Condition
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.keys import Keys

from so8t.agent.review.state import Mode

if TYPE_CHECKING:
    from so8t.agent.review.screen import Screen


def bindings(screen: Screen) -> KeyBindings:
    """The key bindings of the screen."""
    keys = KeyBindings()
    _browse(keys, screen)
    _help(keys, screen)
    _approve(keys, screen)
    _refuse(keys, screen)
    return keys


def _browse(keys: KeyBindings, screen: Screen) -> None:
    state, browsing = screen.state, _in(screen, Mode.BROWSE)

    @keys.add("j", filter=browsing)
    @keys.add("down", filter=browsing)
    def _down(event: KeyPressEvent) -> None:
        state.move(+1)
        screen.look()

    @keys.add("k", filter=browsing)
    @keys.add("up", filter=browsing)
    def _up(event: KeyPressEvent) -> None:
        state.move(-1)
        screen.look()

    @keys.add("pagedown", filter=browsing)
    @keys.add("space", filter=browsing)
    def _more(event: KeyPressEvent) -> None:
        state.turn_page(+1)

    @keys.add("pageup", filter=browsing)
    @keys.add("b", filter=browsing)
    def _back(event: KeyPressEvent) -> None:
        state.turn_page(-1)

    @keys.add("a", filter=browsing)
    def _ask_approve(event: KeyPressEvent) -> None:
        state.ask(Mode.APPROVE)

    @keys.add("r", filter=browsing)
    def _ask_refuse(event: KeyPressEvent) -> None:
        screen.reason.reset()
        state.ask(Mode.REFUSE)
        screen.focus()

    @keys.add("?", filter=browsing)
    def _show_help(event: KeyPressEvent) -> None:
        state.help, state.notice = True, ""

    @keys.add("q", filter=browsing)
    @keys.add("c-c", filter=browsing)
    @keys.add("c-d", filter=browsing)
    def _quit(event: KeyPressEvent) -> None:
        event.app.exit()


def _help(keys: KeyBindings, screen: Screen) -> None:
    @keys.add(Keys.Any, filter=_in(screen, Mode.HELP))
    def _leave_help(event: KeyPressEvent) -> None:
        screen.state.help = False


def _approve(keys: KeyBindings, screen: Screen) -> None:
    state, asked = screen.state, _in(screen, Mode.APPROVE)

    @keys.add(Keys.Any, filter=asked)
    def _other(event: KeyPressEvent) -> None:
        state.withdraw()

    @keys.add("y", filter=asked)
    def _yes(event: KeyPressEvent) -> None:
        if state.may_answer():
            screen.decide()


def _refuse(keys: KeyBindings, screen: Screen) -> None:
    state, asked = screen.state, _in(screen, Mode.REFUSE)

    @Condition
    def typed_ahead() -> bool:
        return state.question is not None and state.question.drawn_at is None

    @keys.add("enter", filter=asked)
    def _reason_given(event: KeyPressEvent) -> None:
        if screen.reason.text.strip():
            screen.decide(screen.reason.text)
            screen.focus()

    @keys.add("escape", eager=True, filter=asked)
    @keys.add("c-c", filter=asked)
    def _leave(event: KeyPressEvent) -> None:
        state.withdraw()
        screen.focus()

    @keys.add(Keys.Any, eager=True, filter=asked & typed_ahead)
    def _not_counted(event: KeyPressEvent) -> None:
        """Typed before the question was on the screen."""


def _in(screen: Screen, mode: Mode) -> Condition:
    return Condition(lambda: screen.state.mode is mode)
