"""`so8t review claim`, `renew` and `release`: who works on an item."""

from __future__ import annotations

from datetime import timedelta

import click

from so8t.agent.cli.review_desk import json_option, open_desk, reviewer_option, tell

lease_option = click.option(
    "--seconds", type=click.IntRange(1, 86_400), default=120, show_default=True, help="How long, unless it is renewed."
)
token_needed = click.option("--token", type=click.IntRange(min=1), required=True, help="What `claim` told.")


@click.command("claim")
@click.argument("id")
@lease_option
@reviewer_option
@json_option
@click.pass_context
def claim(context: click.Context, id: str, seconds: int, reviewer: str | None, as_json: bool) -> None:
    """Take one call for a while, so that nobody else decides about it. Tells the token of the claim.

    Example: so8t review claim 7k2mq9xd --seconds 300
    """
    with open_desk(context, reviewer) as desk:
        item = desk.claim(id, timedelta(seconds=seconds))
        tell(item, as_json, f"claimed: {item.tool} ({item.id}) for {seconds} s, token {item.claim_token}")


@click.command("renew")
@click.argument("id")
@token_needed
@lease_option
@reviewer_option
@json_option
@click.pass_context
def renew(context: click.Context, id: str, token: int, seconds: int, reviewer: str | None, as_json: bool) -> None:
    """Keep a claim. Without this it runs out, and anybody may take it over.

    Example: so8t review renew 7k2mq9xd --token 1
    """
    with open_desk(context, reviewer) as desk:
        item = desk.renew(id, token, timedelta(seconds=seconds))
        tell(item, as_json, f"renewed: {item.tool} ({item.id}) for {seconds} s, token {item.claim_token}")


@click.command("release")
@click.argument("id")
@token_needed
@reviewer_option
@json_option
@click.pass_context
def release(context: click.Context, id: str, token: int, reviewer: str | None, as_json: bool) -> None:
    """Give a claim back; the call goes on waiting.

    Example: so8t review release 7k2mq9xd --token 1
    """
    with open_desk(context, reviewer) as desk:
        item = desk.release(id, token)
        tell(item, as_json, f"released: {item.tool} ({item.id}) waits for anybody")
