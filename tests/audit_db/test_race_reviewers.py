"""Many reviewers at once, with claims and without: one decision an item, and every loser is told who won."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from datetime import timedelta
from pathlib import Path

from so8t.audit_db import Masker, ReviewQueue, Store, Trail
from so8t.gate.contract import Call, Decision, Effect, Finding, Message, Proposal, Source, ToolSpec, Verdict, Versions

WORKER = Path(__file__).parents[1] / "lib" / "review_worker.py"
REVIEWERS, ITEMS = 8, 300
LIMIT = 300  # seconds; far more than it takes
TOLD = re.compile(r"(approved|refused) already \(decided by (p\d) .*: \2\)$|claimed by p\d until ")


def fill(store: Store) -> None:
    trail, queue = Trail(store), ReviewQueue(store)
    tool = ToolSpec("write_file", "Writes a file.", frozenset({Effect.WRITE}))
    finding = Finding(Source.HEAD, Decision.ESCALATE, "unsure")
    for number in range(ITEMS):
        call = Call.of("write_file", {"path": str(number)})
        verdict = Verdict(Decision.ESCALATE, Source.HEAD, (finding,), call.digest, Versions("p", "h", "b", "1"))
        trail.decided("s", Proposal((Message("user", "write"),), tool, call), verdict)
        queue.submit("s", "w", call, tool, verdict, "write", timedelta(days=1))


def raced(url: str) -> list[str]:
    """What the reviewers printed after they all were ready."""
    command = [sys.executable, str(WORKER), url]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    running = [
        subprocess.Popen([*command, f"p{n}"], **pipes, text=True, encoding="utf-8")  # type: ignore[call-overload]
        for n in range(REVIEWERS)
    ]
    for process in running:
        assert process.stdout.readline() == "ready\n"
    for process in running:
        process.stdin.write("go\n")
        process.stdin.flush()
    lines = [line for process in running for line in process.communicate(timeout=LIMIT)[0].splitlines()]
    assert [process.returncode for process in running] == [0] * REVIEWERS
    return lines


def test_eight_reviewers_and_three_hundred_items_give_exactly_one_decision_each(url: str) -> None:
    with Store.open(url, Masker()) as store:
        fill(store)
        lines = raced(url)
        won = dict(line.split()[1:] for line in lines if line.startswith("decided"))
        lost = [line for line in lines if line.startswith("lost")]
        assert len(lines) == REVIEWERS * ITEMS
        assert len(won) == len(lines) - len(lost) == ITEMS
        assert [line for line in lost if not TOLD.search(line)] == []
        assert {item.id: item.state for item in ReviewQueue(store).items()} == won
        decided = [r.subject for r in Trail(store).records(kind="review") if r.body["event"] == "state"]
        assert Counter(decided) == dict.fromkeys(won, 1)
        assert Trail(store).verify().ok
