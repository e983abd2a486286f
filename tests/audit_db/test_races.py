"""Several programs on one database at once."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from datetime import timedelta
from pathlib import Path

from judged_calls import TOOL, proposal, verdict

from so8t.audit_db import Masker, ReviewQueue, Store, Trail
from so8t.gate.contract import Call, Decision

WORKER = Path(__file__).parents[1] / "lib" / "trail_worker.py"


def start(url: str, job: str, name: str) -> subprocess.Popen[str]:
    command = [sys.executable, str(WORKER), url, job, name]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8")


def lines(process: subprocess.Popen[str]) -> list[str]:
    out, _ = process.communicate("go\n")
    assert process.returncode == 0
    return out.splitlines()


def fill(store: Store, count: int) -> None:
    trail, queue = Trail(store), ReviewQueue(store)
    for number in range(count):
        call = Call.of("write_file", {"path": str(number)})
        said = verdict(call, Decision.ESCALATE)
        trail.decided("s", proposal(call), said)
        queue.submit("s", "w", call, TOOL, said, "write", timedelta(hours=1))


def test_programs_that_open_a_new_database_at_once_all_succeed(url: str) -> None:
    started = [start(url, "open", f"p{n}") for n in range(6)]
    assert all(lines(process) == ["ready"] for process in started)
    with Store.open(url, Masker()) as store:
        assert Trail(store).verify().ok


def test_verify_beside_busy_writers_finds_nothing_wrong(url: str) -> None:
    with Store.open(url, Masker()) as store:
        working = [start(url, "work", f"p{n}") for n in range(2)]
        for process in working:
            assert process.stdin
            process.stdin.write("go\n")
            process.stdin.flush()
            assert process.stdout
            assert process.stdout.readline() == "ready\n"
            assert process.stdout.readline().startswith("decided")
        seen = [Trail(store).verify() for _ in range(10)]
        for process in working:
            process.kill()
            process.communicate()
        assert [found.problem for found in seen] == [None] * 10


def test_concurrent_appends_keep_one_chain(url: str) -> None:
    Store.open(url, Masker()).close()
    for process in [start(url, "append", f"p{n}") for n in range(4)]:
        lines(process)
    with Store.open(url, Masker()) as store:
        found = Trail(store).verify()
        assert (found.ok, found.rows) == (True, 200)


def test_eight_reviewers_and_runners_at_once_decide_and_run_each_call_exactly_once(url: str) -> None:
    with Store.open(url, Masker()) as store:
        fill(store, 50)
    racing = [start(url, "race", f"p{n}") for n in range(8)]
    for process in racing:
        assert process.stdout
        assert process.stdin
        assert process.stdout.readline() == "ready\n"
    for process in racing:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    wins = Counter(line for process in racing for line in lines(process))
    assert set(wins.values()) == {1}
    assert len(wins) == 100  # 50 decided, 50 consumed
    with Store.open(url, Masker()) as store:
        trail = Trail(store)
        assert trail.verify().ok
        assert len(list(trail.records(kind="intent"))) == 50
        assert len(ReviewQueue(store).items(state="executing")) == 50
