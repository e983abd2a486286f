"""`so8t chat`: talk to the agent."""

from __future__ import annotations

import asyncio

import click

from so8t.agent.cli.app import App, pass_app


@click.command("chat")
@pass_app
def command(app: App) -> None:
    """Talk to the agent. Every call that it proposes is decided by the gate first.

    Example: so8t chat
    """
    from so8t.agent.chat.app import chat

    asyncio.run(chat(app.config))
