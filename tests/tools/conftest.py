"""What the tests of the tools share: a workspace, and a way to run a tool through its front door."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from so8t.gate.allowed import Allowed, Approval
from so8t.gate.contract import Call
from so8t.tools import Executor, Outcome, Toolbox, Workspace
from so8t.tools.notes import Notes


def allow(call: Call) -> Allowed:
    return Allowed.by_approval(call, Approval("item0001", call.digest, "tester"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The folder of the workspace; its parent is outside."""
    folder = tmp_path / "workspace"
    folder.mkdir()
    return folder


@pytest.fixture
def run_tool(root: Path, tmp_path: Path) -> Callable[..., Outcome]:
    """Run a built-in tool: validated, allowed, executed."""
    resources = [Workspace(root), Notes(tmp_path / "data" / "notes.jsonl")]
    box = Toolbox.load(entry_points=False).usable_with(resources)
    executor = Executor(box, resources)

    def run(name: str, **arguments: Any) -> Outcome:
        return asyncio.run(executor.run(allow(box.validate(name, json.dumps(arguments)))))

    return run


@pytest.fixture
def run_function() -> Callable[..., Outcome]:
    """Run a function that has @tool."""

    def run(function: Callable[..., Any], arguments: str = "{}", resources: tuple[object, ...] = ()) -> Outcome:
        box = Toolbox([function])
        call = box.validate(next(iter(box)).name, arguments)
        return asyncio.run(Executor(box, resources).run(allow(call)))

    return run
