"""The ticket to run a call cannot be made by hand, moved to another call, or used twice."""

from __future__ import annotations

import copy
import pickle
import threading

import pytest

from so8t.gate.allowed import Allowed, AlreadySpent, Approval, NotAllowed
from so8t.gate.contract import Call, Decision, Finding, Source, Verdict, Versions

CALL = Call.of("poke", {"what": "box"})
OTHER = Call.of("poke", {"what": "bomb"})


def verdict(decision: Decision, call: Call) -> Verdict:
    versions = Versions("0" * 64, "0" * 64, "b", "1")
    return Verdict(decision, Source.HEAD, (Finding(Source.HEAD, decision, "why"),), call.digest, versions)


@pytest.mark.parametrize("decision", [Decision.ESCALATE, Decision.REFUSE])
def test_only_an_allow_makes_a_ticket(decision: Decision) -> None:
    with pytest.raises(NotAllowed):
        Allowed.by_verdict(CALL, verdict(decision, CALL))


def test_a_verdict_or_an_approval_of_another_call_makes_no_ticket() -> None:
    with pytest.raises(NotAllowed):
        Allowed.by_verdict(OTHER, verdict(Decision.ALLOW, CALL))
    with pytest.raises(NotAllowed):
        Allowed.by_approval(OTHER, Approval("id", CALL.digest, "ada"))


def test_a_ticket_cannot_be_made_by_hand_copied_or_pickled() -> None:
    with pytest.raises(NotAllowed):
        Allowed(CALL, Source.HEAD)
    ticket = Allowed.by_verdict(CALL, verdict(Decision.ALLOW, CALL))
    for duplicate in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError):
            duplicate(ticket)


def test_a_ticket_is_good_for_one_run_also_among_threads() -> None:
    ticket = Allowed.by_approval(CALL, Approval("id", CALL.digest, "ada"))
    outcomes: list[str] = []

    def spend() -> None:
        try:
            outcomes.append(ticket.spend().name)
        except AlreadySpent:
            outcomes.append("refused")

    threads = [threading.Thread(target=spend) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["poke"] + ["refused"] * 15


def test_the_digest_covers_name_and_arguments_and_nothing_else() -> None:
    assert CALL.digest == Call.of("poke", {"what": "box"}).digest
    assert CALL.digest != Call.of("peek", {"what": "box"}).digest
    assert CALL.digest != OTHER.digest


def test_arguments_handed_out_cannot_change_the_call() -> None:
    CALL.arguments["what"] = "bomb"
    assert CALL.arguments == {"what": "box"}
