"""An open database with a trail, a queue and a clock to set; on SQLite, and on PostgreSQL where one is named."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from so8t.audit_db import Masker, ReviewItem, ReviewQueue, Store, Trail
from so8t.gate.contract import (
    Call,
    Decision,
    Effect,
    Finding,
    Message,
    Proposal,
    Source,
    Thresholds,
    ToolSpec,
    Verdict,
    Versions,
)

POSTGRES = os.environ.get("SO8T_TEST_POSTGRES_URL")


TOOL = ToolSpec("write_file", "Writes a file.", frozenset({Effect.WRITE}))


@dataclass
class Clock:
    now: datetime = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **delta: float) -> None:
        self.now += timedelta(**delta)


@dataclass
class World:
    url: str
    clock: Clock = field(default_factory=Clock)
    masker: Masker = field(default_factory=Masker)
    session: str = "s1"
    tool: ToolSpec = TOOL

    def __post_init__(self) -> None:
        self.open()

    def open(self) -> None:
        """Open the database (again, as after a restart)."""
        self.store = Store.open(self.url, self.masker, clock=self.clock)
        self.trail = Trail(self.store)
        self.queue = ReviewQueue(self.store)

    def restart(self) -> None:
        self.store.close()
        self.open()

    def call(self, **arguments: object) -> Call:
        return Call.of("write_file", arguments or {"path": "notes.txt", "content": "hello"})

    def verdict(self, decision: Decision, digest: str, source: Source = Source.HEAD) -> Verdict:
        return Verdict(
            decision,
            source,
            (Finding(source, decision, f"the head says {decision.name}"),),
            digest,
            Versions("p" * 64, "h" * 64, "all-MiniLM-L6-v2", "1"),
            (0.2, 0.7, 0.1),
            Thresholds(0.9, 0.8),
            12.5,
        )

    def decided(self, call: Call, decision: Decision, words: str = "write my notes") -> Verdict:
        verdict = self.verdict(decision, call.digest)
        self.trail.decided(self.session, Proposal((Message("user", words),), self.tool, call), verdict)
        return verdict

    def waiting(self, call: Call | None = None, ttl: timedelta = timedelta(hours=1), owner: str = "w1") -> ReviewItem:
        call = call or self.call()
        verdict = self.decided(call, Decision.ESCALATE)
        return self.queue.submit(self.session, owner, call, self.tool, verdict, "write my notes", ttl)

    def approved(self, call: Call | None = None) -> ReviewItem:
        item = self.waiting(call)
        return self.queue.approve(item.id, item.digest, "alice", "fine")


@pytest.fixture(params=["sqlite", "postgresql"] if POSTGRES else ["sqlite"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'so8t.db'}"
        return
    assert POSTGRES is not None
    server = sa.make_url(POSTGRES).set(drivername="postgresql+psycopg")
    name = f"so8t_test_{secrets.token_hex(6)}"
    admin = sa.create_engine(server, isolation_level="AUTOCOMMIT")
    with admin.connect() as conn:
        conn.exec_driver_sql(f"CREATE DATABASE {name}")
    yield server.set(database=name).render_as_string(hide_password=False)
    with admin.connect() as conn:
        conn.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
    admin.dispose()


@pytest.fixture
def world(url: str) -> Iterator[World]:
    made = World(url)
    yield made
    made.store.close()
