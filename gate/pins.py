"""Tool definitions are pinned: a tool that later changes its description, effects or parameters is another tool."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from so8t.gate.contract import Decision, Finding, Proposal, Source, ToolSpec
from so8t.gate.plain import squash
from so8t.gate.strict_json import canonical


class PinError(ValueError):
    """The root of this module's errors."""


class DefinitionChanged(PinError):
    """A tool was pinned before with another definition."""


class NameShadowed(PinError):
    """Two tools have names that a reader takes for one."""


class Pins:
    """The tools that calls may name, by exact definition."""

    def __init__(self) -> None:
        self.tools: dict[str, ToolSpec] = {}
        self._digests: dict[str, str] = {}

    def add(self, tools: Iterable[ToolSpec]) -> None:
        """Pin more tools; the same definition again is fine.

        Raises:
            DefinitionChanged, NameShadowed: nothing of `tools` is pinned then.
            NotCanonical: a definition that is no JSON.
        """
        merged, digests = dict(self.tools), dict(self._digests)
        for tool in tools:
            digest = definition(tool)
            if digests.get(tool.name, digest) != digest:
                raise DefinitionChanged(
                    f"the definition of {tool.name} is not the one that was pinned: restart to accept it"
                )
            twin = next((n for n in merged if n != tool.name and squash(n) == squash(tool.name)), None)
            if twin is not None:
                raise NameShadowed(f"the tool names {tool.name!r} and {twin!r} look alike: rename one")
            merged[tool.name], digests[tool.name] = tool, digest
        self.tools, self._digests = merged, digests

    def judge(self, proposal: Proposal) -> tuple[Finding, ...]:
        """REFUSE findings for a call whose name and definition are not exactly a known tool's."""
        call, tool = proposal.call, proposal.tool
        if call is None:
            return ()
        reason = None
        if tool is not None and call.name != tool.name:
            reason = f"the call names {call.name!r}, but the tool is {tool.name!r}"
        elif self.tools and call.name not in self.tools:
            reason = f"no tool {call.name!r} is registered"
        elif self.tools and (tool is None or definition(tool) != self._digests[call.name]):
            reason = f"the definition of {call.name} changed after it was pinned"
        return (Finding(Source.POLICY, Decision.REFUSE, reason),) if reason else ()


def definition(tool: ToolSpec) -> str:
    """SHA-256 (hex) of everything that a tool says about itself. Raises NotCanonical."""
    effects = None if tool.effects is None else sorted(tool.effects)
    value = {
        "name": tool.name,
        "description": tool.description,
        "effects": effects,
        "parameters": dict(tool.parameters),
    }
    return hashlib.sha256(canonical(value).encode()).hexdigest()
