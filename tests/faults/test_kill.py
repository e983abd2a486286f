"""An agent is killed at any moment: no effect without an intent, a whole trail, and a next start that goes on."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from marker import save_head
from so8t.audit_db import Masker, ReviewQueue, Store, Trail

WORKER = Path(__file__).parents[1] / "lib" / "agent_worker.py"
ROUNDS, KILLS = 10, 20
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the killed programs are forked; Windows has no fork")


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Callable[[int, float | None], int]]:
    """Starts an agent for so many turns, kills it after so many seconds (None: never); its exit code."""
    save_head(tmp_path / "head")
    (tmp_path / "effects").touch()
    server = subprocess.Popen(
        [sys.executable, str(WORKER), str(tmp_path)],
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        encoding="utf-8",
    )

    def start(turns: int, seconds: float | None) -> int:
        assert server.stdin
        assert server.stdout
        server.stdin.write(f"{turns}\n")
        server.stdin.flush()
        child = int(server.stdout.readline())
        if seconds is not None:
            time.sleep(seconds)  # the moment of the kill; the test holds for each
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        return int(server.stdout.readline())

    yield start
    server.communicate()


class Seen:
    """What stands in the trail and in the world after a kill."""

    def __init__(self, folder: Path) -> None:
        self.effects = (folder / "effects").read_text(encoding="utf-8").splitlines()
        with Store.open(f"sqlite:///{folder / 'trail.db'}", Masker()) as store:
            trail = Trail(store)
            self.verified = trail.verify()
            records = list(trail.records())
            self.open = {record.subject for record in trail.open_intents()}
            self.unheard = {item.id for state in ("approved", "executing") for item in ReviewQueue(store).items(state)}
        self.calls = {
            json.loads(record.body["call"]["arguments"])["text"]: record.subject
            for record in records
            if record.kind == "decision" and record.body["call"]
        }
        self.intents = Counter(record.subject for record in records if record.kind == "intent")
        self.ends = Counter(record.subject for record in records if record.kind in ("outcome", "unknown"))
        self.unknown = {record.subject for record in records if record.kind == "unknown"}

    def check(self) -> None:
        """What must hold at every moment."""
        assert self.verified.ok, self.verified.problem
        assert len(self.effects) == len(set(self.effects)), "an effect happened twice"
        assert {self.calls[text] for text in self.effects} <= set(self.intents), "an effect without an intent"
        assert not [text for text in self.effects if text.startswith("blackword")], "a refused call ran"
        assert set(self.intents.values()) <= {1}
        assert set(self.ends.values()) <= {1}
        assert self.open == set(self.intents) - set(self.ends)


@pytest.mark.parametrize("round_", range(ROUNDS))
def test_kills_leave_no_effect_without_intent_and_the_next_start_goes_on(
    agent: Callable[[int, float | None], int], tmp_path: Path, round_: int
) -> None:
    chance = random.Random(20261124 + round_)
    left: set[str] = set()  # calls that were running when their program was killed
    for _ in range(KILLS):
        assert agent(300, chance.uniform(0, 0.4)) == -signal.SIGKILL
        seen = Seen(tmp_path)
        seen.check()
        left |= seen.open
    assert agent(1, None) == 0
    seen = Seen(tmp_path)
    seen.check()
    assert len(seen.effects) > 3, "the programs were killed before they did anything"
    assert left <= seen.unknown
    assert seen.open == set(), "the new program closed nothing"
    assert seen.unheard == set(), "an approval was not taken up"
