"""A call with the arguments that a reviewer wrote: checked by the tool, then judged by the gate as any other call."""

from __future__ import annotations

from collections.abc import Mapping

from so8t.agent import build
from so8t.agent.config import Config
from so8t.agent.stored import stored
from so8t.audit_db import ReviewError, ReviewItem, Trail
from so8t.gate.contract import Call, Effect, Message, Proposal, ToolSpec, Verdict
from so8t.gate.strict_json import StrictJsonError, canonical, loads
from so8t.tools import InvalidArguments, Toolbox


class ArgumentsInvalid(ReviewError):
    """The edited arguments are no JSON object, or the tool does not take them."""


def parsed(toolbox: Toolbox, item: ReviewItem, arguments_text: str) -> Call:
    """The edited call; checked by its tool, where the tool is known here. Raises ArgumentsInvalid."""
    try:
        value = loads(arguments_text)
        if not isinstance(value, dict):
            raise ArgumentsInvalid("the edited arguments must be a JSON object")
        text = canonical(value)
        if item.tool in toolbox:
            text = toolbox.validate(item.tool, text).arguments_json
    except (StrictJsonError, InvalidArguments) as error:
        raise ArgumentsInvalid(f"the edited arguments of {item.tool} are no valid call: {error}") from None
    return Call(item.tool, text, item.id)


async def judged(config: Config, toolbox: Toolbox, trail: Trail, item: ReviewItem, call: Call) -> Verdict:
    """What this program's gate says of the edited call, in the conversation that led to the proposed one.

    Raises:
        TrailError, and what build.open_gate raises.
    """
    known = {spec.name: spec for spec in toolbox.specs}
    spec = known.setdefault(item.tool, _stand_in(item))
    async with build.open_gate(config, tuple(known.values())) as gate:
        return await gate.decide(Proposal(_messages(trail, item, known), spec, call))


def _messages(trail: Trail, item: ReviewItem, known: Mapping[str, ToolSpec]) -> tuple[Message, ...]:
    found = (one.proposal for one in stored(trail, known, session=item.session) if one.record.subject == item.id)
    proposal = next(found, None)
    return proposal.messages if proposal and proposal.user_text else (Message("user", item.user_text),)


def _stand_in(item: ReviewItem) -> ToolSpec:
    """What is known here of a tool that only the agent has."""
    return ToolSpec(item.tool, "", None if item.effects is None else frozenset(map(Effect, item.effects)))
