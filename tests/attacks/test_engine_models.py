"""Model files from strangers: broken, cut or hostile ones end as a clear error, never as the end of the program."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from so8t.agent.engines import EngineError, EngineFault, EngineUnavailable, Reply
from so8t.agent.engines.llama_cpp import LlamaCpp, Options
from so8t.gate.contract import Message
from so8t.gate.models.located import path
from so8t.tools import Toolbox

MODEL = path("so8t-mini")
pytestmark = pytest.mark.skipif(MODEL is None, reason="so8t-mini is not here")
TOOLS = Toolbox.load([], entry_points=False, disabled=()).specs
TALK = [Message("system", "Be brief."), Message("user", "hello"), Message("user", "what is 2 + 3?")]


async def reply(file: Path, **options: float) -> Reply:
    engine = LlamaCpp(file, file.name, Options(threads=1, max_tokens=40, **options))  # type: ignore[arg-type]
    try:
        last = [item async for item in engine.stream(TALK, TOOLS)][-1]
    finally:
        await engine.close()
    assert isinstance(last, Reply)
    return last


def patched(at: int, new: bytes) -> Callable[[bytes], bytes]:
    return lambda data: data[:at] + new + data[at + len(new) :]


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: b"GGUF",
        lambda data: b"not a model at all\n" * 100,
        lambda data: data[: len(data) // 2],
        lambda data: data[:1000],
        patched(0, b"FUGG"),
        patched(4, b"\xff\xff\xff\xff"),
        patched(8, b"\xff" * 8),
        patched(16, b"\xff" * 7 + b"\x7f"),
        patched(24, b"\xff" * 8),
        patched(60, b"\x00\xff" * 200),
    ],
    ids=["empty", "magic", "text", "half", "head", "magic2", "version", "tensors", "keys", "length", "noise"],
)
def test_a_damaged_file_is_an_error_that_names_it(damage: Callable[[bytes], bytes], tmp_path: Path) -> None:
    file = tmp_path / "broken.gguf"
    assert MODEL is not None
    file.write_bytes(damage(MODEL.read_bytes()))
    with pytest.raises(EngineUnavailable, match=r"broken\.gguf"):
        asyncio.run(reply(file))


def test_a_folder_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(EngineUnavailable):
        asyncio.run(reply(tmp_path))


def with_template(folder: Path, template: str) -> Path:
    """The real model with another chat template."""
    file = folder / "other.gguf"
    command = [sys.executable, "-m", "gguf.scripts.gguf_new_metadata", "--force", "--chat-template", template]
    subprocess.run([*command, str(MODEL), str(file)], check=True, capture_output=True, timeout=120)
    return file


def test_a_broken_template_is_an_error_when_the_model_is_loaded(tmp_path: Path) -> None:
    with pytest.raises(EngineUnavailable, match="chat template is broken"):
        asyncio.run(reply(with_template(tmp_path, "{% for %}")))


def test_a_template_that_refuses_the_conversation_is_a_fault_with_its_own_words(tmp_path: Path) -> None:
    with pytest.raises(EngineFault, match="only on Sundays"):
        asyncio.run(reply(with_template(tmp_path, "{{ raise_exception('only on Sundays') }}")))


def test_a_template_that_never_ends_is_stopped(tmp_path: Path) -> None:
    loops = "".join(f"{{% for {name} in range(99999) %}}" for name in "abc") + "x" + "{% endfor %}" * 3
    with pytest.raises(EngineError, match=r"within 2 s|Memory"):
        asyncio.run(reply(with_template(tmp_path, loops), start_timeout=2.0, token_timeout=2.0))


def test_a_model_whose_template_knows_no_tools_no_system_and_wants_alternating_roles_still_answers(
    tmp_path: Path,
) -> None:
    template = (
        "{% for m in messages %}"
        "{% if m.role == 'system' %}{{ raise_exception('no system') }}{% endif %}"
        "{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('alternate') }}{% endif %}"
        "{{ '<|' + m.role + '|>' + m.content + '<|end|>' }}{% endfor %}<|assistant|>"
    )
    assert asyncio.run(reply(with_template(tmp_path, template))).finish in ("stop", "length")
