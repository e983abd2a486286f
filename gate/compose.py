"""Many findings, one decision: the strictest."""

from __future__ import annotations

from collections.abc import Sequence

from so8t.gate.contract import Decision, Finding, Source

# Which source a decision is put down to where several are equally strict. A fault comes first: nobody may override it
# unseen.
ORDER = (Source.FAULT, Source.POLICY, Source.READABILITY, Source.PROVENANCE, Source.HEAD, Source.HUMAN)


def compose(findings: Sequence[Finding], on_fault: Decision) -> tuple[Decision, Source, tuple[Finding, ...]]:
    """Decision, source and all findings, in the order of the layers.

    No finding at all, or one that is none, is a fault: nothing ever falls through to ALLOW.
    """
    kept = [finding for finding in findings if _is_sound(finding)]
    if not kept or len(kept) < len(findings):
        kept.append(Finding(Source.FAULT, on_fault, "a layer of the gate gave no sound finding"))
    decision = max(finding.decision for finding in kept)
    ordered = tuple(sorted(kept, key=lambda f: ORDER.index(f.source)))
    return decision, next(f.source for f in ordered if f.decision is decision), ordered


def _is_sound(finding: object) -> bool:
    return (
        isinstance(finding, Finding)
        and isinstance(finding.decision, Decision)
        and isinstance(finding.source, Source)
        and bool(finding.reason)
    )
