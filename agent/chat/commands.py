"""The /commands of the chat. Each one is a function; its docstring is its help."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from so8t.agent.engines import ProposedCall
from so8t.agent.story import story_lines
from so8t.agent.terminal import one_line
from so8t.gate.names import unknown

if TYPE_CHECKING:
    from so8t.agent.chat.app import Chat

Command = Callable[["Chat", str], Awaitable[None]]


class Quit(Exception):
    """The user wants to leave."""


async def help_(chat: Chat, rest: str) -> None:
    """List the commands and keys."""
    for name, command in COMMANDS.items():
        chat.view.text(f"{name:<12} {inspect.getdoc(command)}")
    chat.view.text("Ctrl-C stops the turn that is running, Ctrl-D leaves, Tab completes, Up goes back in the history.")


async def tools(chat: Chat, rest: str) -> None:
    """List the tools with their effects."""
    for spec in chat.agent.parts.toolbox.specs:
        effects = "+".join(sorted(effect.value for effect in spec.effects or ()))
        chat.view.text(f"{spec.name:<16} {effects:<10} {one_line(spec.description, 90)}")


async def call(chat: Chat, rest: str) -> None:
    """Propose a call by hand: /call NAME {"argument": "value"}. It is gated, recorded and run like any other."""
    name, _, arguments = rest.partition(" ")
    if not name:
        chat.view.text('usage: /call NAME {"argument": "value"}')
        return
    proposed = ProposedCall(name, arguments.strip() or "{}")
    await chat.in_front(lambda: chat.agent.propose(proposed))


async def pending(chat: Chat, rest: str) -> None:
    """List the calls that wait for a reviewer."""
    items = await chat.pending()
    for item in items:
        chat.view.text(f"{item.id}  {item.tool}  {one_line(item.arguments_json, 160)}  {one_line(item.reason)}")
    if not items:
        chat.view.text("nothing waits")


async def why(chat: Chat, rest: str) -> None:
    """Tell the whole story of a decision: /why ID."""
    if not rest:
        chat.view.text("usage: /why ID (the id stands on the call's card)")
        return
    for line in story_lines(await chat.session.ledger.story(rest)):
        chat.view.text(line)


async def show(chat: Chat, rest: str) -> None:
    """Show the whole output of the last call."""
    if chat.last_output is None:
        chat.view.text("no call has run yet")
    else:
        chat.view.result(chat.last_output, fold=None)


async def new(chat: Chat, rest: str) -> None:
    """Start a new conversation; the model forgets this one, the trail does not."""

    async def begin() -> None:
        await chat.agent.forget()
        chat.view.text("a new conversation")

    await chat.in_front(begin)


async def quit_(chat: Chat, rest: str) -> None:
    """Leave. What waits for a reviewer goes on waiting."""
    raise Quit


COMMANDS: dict[str, Command] = {
    "/help": help_,
    "/tools": tools,
    "/call": call,
    "/pending": pending,
    "/why": why,
    "/show": show,
    "/new": new,
    "/quit": quit_,
}


async def run(chat: Chat, line: str) -> None:
    """Run one /command line."""
    name, _, rest = line.partition(" ")
    if name not in COMMANDS:
        chat.view.text("" + unknown("command", name, COMMANDS))
        return
    await COMMANDS[name](chat, rest.strip())
