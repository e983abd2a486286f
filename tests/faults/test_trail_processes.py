"""Programs that are killed at any moment."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest

from so8t.audit_db import Masker, ReviewQueue, SessionLock, Store, Trail, alive, recover
from so8t.audit_db.errors import SessionBusy

WORKER = Path(__file__).parents[1] / "lib" / "trail_worker.py"


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'so8t.db'}"


def start(url: str, job: str, name: str) -> subprocess.Popen[str]:
    command = [sys.executable, str(WORKER), url, job, name]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8")


def test_thirty_kills_leave_a_whole_chain_and_no_run_without_a_record(url: str) -> None:
    said: list[str] = []
    Store.open(url, Masker()).close()
    chance = random.Random(20261124)
    for _ in range(15):
        pair = [start(url, "work", f"p{n}") for n in range(2)]
        for process in pair:
            assert process.stdout
            assert process.stdin
            assert process.stdout.readline() == "ready\n"
            process.stdin.write("go\n")
            process.stdin.flush()
        said += [
            pipe.readline() for pipe in (pair[0].stdout, pair[1].stdout) if pipe for _ in range(chance.randint(1, 9))
        ]
        for process in pair:
            process.kill()
            said += process.communicate()[0].splitlines()
        check_after_kill(url)
    check_nothing_lost(url, said)


def check_after_kill(url: str) -> None:
    with Store.open(url, Masker()) as store:
        assert Trail(store).verify().ok
        started = {r.subject for r in Trail(store).records(kind="intent")}
        ran = {i.id for state in ("executing", "done", "unknown") for i in ReviewQueue(store).items(state=state)}
        assert ran <= started
        recover(store)
        assert Trail(store).open_intents() == []
        assert ReviewQueue(store).items(state="executing") == []


def check_nothing_lost(url: str, said: list[str]) -> None:
    """What a program was told is committed is there."""
    with Store.open(url, Masker()) as store:
        kept = {(r.kind, r.subject) for r in Trail(store).records()}
    told = {tuple(line.split()) for line in said if len(line.split()) == 2}
    assert len(told) > 60
    assert {t for t in told if t[0] in ("intent", "outcome")} <= kept


def test_a_session_is_alive_until_its_program_ends_however_it_ends(url: str) -> None:
    with Store.open(url, Masker()) as store:
        for end in (lambda p: p.communicate("end\n"), lambda p: (p.kill(), p.communicate())):
            process = start(url, "hold", "s1")
            assert process.stdout
            assert [process.stdout.readline() for _ in range(2)] == ["ready\n", "held\n"]
            assert alive(store, {"s1", "s2"}) == {"s1"}
            with pytest.raises(SessionBusy, match="open in another program"):
                SessionLock(store, "s1")
            end(process)
            assert alive(store, {"s1"}) == set()


def test_a_session_can_be_taken_again_after_release(url: str) -> None:
    with Store.open(url, Masker()) as store:
        lock = SessionLock(store, "セッション/../1")
        assert alive(store, {"セッション/../1"}) == {"セッション/../1"}
        lock.release()
        lock.release()
        with SessionLock(store, "セッション/../1"):
            pass
