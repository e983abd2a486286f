"""The gate: every proposal gets a verdict, and no failure of any part is ever ALLOW.

Layers: pinned tools and policy rules, readability, provenance, head. All are asked on every call; the strictest counts.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable, Iterable
from dataclasses import replace

from so8t.gate import chain, provenance, readability
from so8t.gate.backbones import Backbone, Pooled
from so8t.gate.compose import compose
from so8t.gate.contract import Decision, Finding, Proposal, Source, Thresholds, ToolSpec, Verdict, Versions
from so8t.gate.head import Head, HeadFault
from so8t.gate.head_decision import decide
from so8t.gate.pins import Pins
from so8t.gate.provenance import ContentJudge, Mark
from so8t.gate.render import RENDERING, render
from so8t.gate.rules import Rules
from so8t.gate.settings import GateSettings
from so8t.gate.sources import Sources
from so8t.gate.strict_json import canonical
from so8t.gate.windows import TooLong

Probabilities = tuple[float, float, float]  # ALLOW, ESCALATE, REFUSE


class Gate:
    """Turns a Proposal into a Verdict; nothing else may."""

    def __init__(
        self,
        backbone: Backbone,
        head: Head,
        rules: Rules | None = None,
        settings: GateSettings | None = None,
        content: ContentJudge | None = None,
    ) -> None:
        self._backbone = backbone
        self._head = head
        self._rules = rules or Rules()
        self._settings = settings or GateSettings()
        self._content = content
        self._pins = Pins()

    @property
    def versions(self) -> Versions:
        """What decides here: digests of the policy (rules, content head, settings); head, backbone, rendering."""
        s = self._settings
        content = "" if self._content is None else self._content.digest
        settings = {"on_fault": s.on_fault, "turns": s.turns, "scripts": s.scripts}
        policy = canonical({"rules": self._rules.digest, "content": content, **settings})
        return Versions(hashlib.sha256(policy.encode()).hexdigest(), self._head.digest, self._backbone.id, RENDERING)

    @property
    def thresholds(self) -> Thresholds:
        """The head's thresholds."""
        return self._head.meta.thresholds

    def ready(self) -> str | None:
        """None, or why every verdict will be a fault and what to do."""
        meta, backbone = self._head.meta, self._backbone
        if meta.backbone != backbone.id:
            return f"the head was trained on {meta.backbone}, the backbone is {backbone.id}: use the one that it names"
        if meta.dimension != backbone.dimension:
            return f"the head reads {meta.dimension} numbers, the backbone gives {backbone.dimension}: train it again"
        return None

    def pin(self, tools: Iterable[ToolSpec]) -> None:
        """Fix the tools that calls may name; from then on an unknown or changed one is REFUSE.

        Raises:
            PinError: a changed definition, or two names that look alike. Nothing new is pinned then.
        """
        self._pins.add(tools)

    async def decide(self, proposal: Proposal) -> Verdict:
        """The verdict. Raises nothing but asyncio.CancelledError: whatever fails is a finding with source `fault`."""
        start = time.perf_counter()
        findings: list[Finding] = []
        probabilities = None
        try:
            async with asyncio.timeout(self._settings.deadline_seconds):
                probabilities = await self._ask(proposal, findings)
        except TimeoutError:
            findings.append(self._fault(f"no decision within {self._settings.deadline_seconds:g} s"))
        except Exception as error:  # noqa: BLE001 - whatever fails must end as a verdict that is not ALLOW
            findings.append(self._failed("the gate", error))
        return self._verdict(proposal, findings, probabilities, (time.perf_counter() - start) * 1000)

    async def close(self) -> None:
        """Stop the backbone. Idempotent."""
        await self._backbone.close()

    async def _ask(self, proposal: Proposal, findings: list[Finding]) -> Probabilities | None:
        """Ask every layer; what each says is added to `findings` at once, so that a later failure loses nothing."""
        if proposal.call is None and self._settings.turns == "off":
            findings.append(Finding(Source.POLICY, Decision.ALLOW, "user turns are not judged: gate.turns is off"))
            return None
        findings += self._layer("the pinned tools", lambda: self._pins.judge(proposal))
        findings += self._layer("the policy rules", lambda: self._rules.judge(proposal))
        sources, scripts = Sources.of(proposal.messages), self._settings.scripts
        findings += self._layer("readability", lambda: readability.judge(proposal, sources, scripts))
        marks = provenance.marks(proposal, sources)
        findings += self._layer("provenance", lambda: provenance.judge(proposal, marks))
        findings += self._layer("the rule of two", lambda: chain.judge(proposal, marks, self._pins.tools))
        findings += await self._ask_content(proposal)
        return await self._ask_head(proposal, marks, findings)

    def _layer(self, name: str, judge: Callable[[], tuple[Finding, ...]]) -> tuple[Finding, ...]:
        """A layer's findings; one that fails does not keep the others from speaking."""
        try:
            return judge()
        except Exception as error:  # noqa: BLE001 - see decide()
            return (self._failed(name, error),)

    async def _ask_content(self, proposal: Proposal) -> tuple[Finding, ...]:
        if self._content is None:
            return ()
        try:
            return await self._content.judge(proposal)
        except Exception as error:  # noqa: BLE001 - see decide()
            return (self._failed("the content head", error),)

    async def _ask_head(
        self, proposal: Proposal, marks: tuple[Mark, ...], findings: list[Finding]
    ) -> Probabilities | None:
        problem = self.ready()
        if problem:
            findings.append(self._fault(problem))
            return None
        try:
            return self._judge_vectors(await self._backbone.pool(render(proposal, marks)), findings)
        except TooLong as error:
            findings.append(Finding(Source.READABILITY, Decision.ESCALATE, str(error)))
        except Exception as error:  # noqa: BLE001 - see decide()
            findings.append(self._failed("the head", error))
        return None

    def _judge_vectors(self, pooled: Pooled, findings: list[Finding]) -> Probabilities:
        if not 0 <= pooled.unknown <= pooled.tokens or pooled.tokens == 0:
            raise HeadFault(f"the backbone counts {pooled.unknown} unknown of {pooled.tokens} tokens")
        rows = self._head.probabilities(pooled.vectors)
        decision, window = decide(rows, self.thresholds)
        allow, escalate, refuse = (float(p) for p in rows[window])
        numbers = f"ALLOW {allow:.2f}, ESCALATE {escalate:.2f}, REFUSE {refuse:.2f}"
        needs = f"ALLOW needs {self.thresholds.allow:.2f}, REFUSE {self.thresholds.refuse:.2f}"
        findings.append(Finding(Source.HEAD, decision, f"the safety model says {decision.name}: {numbers} ({needs})"))
        findings += readability.judge_tokens(pooled)
        return allow, escalate, refuse

    def _verdict(
        self, proposal: Proposal, findings: list[Finding], probabilities: Probabilities | None, ms: float
    ) -> Verdict:
        digest = ""
        try:
            digest = proposal.digest
            if proposal.call is None and self._settings.turns == "flag":
                findings = [_lowered(finding) for finding in findings]
        except Exception as error:  # noqa: BLE001 - see decide(); broken Unicode has no digest
            findings.append(self._failed("the digest", error))
        decision, source, ordered = compose(findings, self._settings.fault)
        thresholds = self.thresholds if probabilities else None
        return Verdict(decision, source, ordered, digest, self.versions, probabilities, thresholds, ms)

    def _failed(self, part: str, error: Exception) -> Finding:
        return self._fault(f"{part} failed: {type(error).__name__}: {error}")

    def _fault(self, reason: str) -> Finding:
        return Finding(Source.FAULT, self._settings.fault, reason)


def _lowered(finding: Finding) -> Finding:
    if finding.decision is not Decision.REFUSE:
        return finding
    return replace(
        finding, decision=Decision.ESCALATE, reason=f"{finding.reason} (REFUSE, lowered: gate.turns is flag)"
    )
