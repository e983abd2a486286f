"""Bad heads, models, databases and folders: one clear line, exit code 1, and what was there before stays."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from so8t import gate
from so8t.gate.head_file import seal

So8t = Callable[..., Any]
SHIPPED = Path(gate.__file__).parent / "heads" / "default"
CASE = '{"messages": [{"role": "user", "content": "hello"}], "call": null, "label": "ALLOW"}\n'


@pytest.fixture
def head(folder: Path) -> Path:
    """A copy of the shipped head that agent.toml names, and one case."""
    shutil.copytree(SHIPPED, folder / "head")
    (folder / "agent.toml").write_text('[gate]\nhead = "head"\n', encoding="utf-8")
    (folder / "cases.jsonl").write_text(CASE, encoding="utf-8")
    return folder / "head"


def flip(file: Path, share: float) -> None:
    """Change one bit of the byte at this share of the file."""
    data = bytearray(file.read_bytes())
    data[min(int(share * len(data)), len(data) - 1)] ^= 1
    file.write_bytes(bytes(data))


def check(so8t: So8t, *says: str) -> None:
    """Neither the measurement nor a turn works, and an older file of verdicts stays."""
    Path("verdicts").write_text("older", encoding="utf-8")
    so8t("gate", "check", "--cases", "cases.jsonl", "--out", "verdicts").failed(*says)
    assert Path("verdicts").read_text(encoding="utf-8") == "older"
    so8t("run", "-p", "hello").failed(*says)


def test_a_copy_of_the_shipped_head_works(so8t: So8t, head: Path) -> None:
    assert so8t("gate", "check", "--cases", "cases.jsonl", "--json").json[0]["sources"] == {"head": 1}


@pytest.mark.parametrize("name", sorted(path.name for path in SHIPPED.iterdir() if path.suffix == ".safetensors"))
@pytest.mark.parametrize("share", [0, 0.3, 0.7, 1])
def test_one_flipped_bit_in_the_weights_is_an_error(so8t: So8t, head: Path, name: str, share: float) -> None:
    flip(head / name, share)
    check(so8t, name, "SHA-256")


@pytest.mark.parametrize("key", ["allow_threshold", "refuse_threshold", "temperature", "training_data", "checksum"])
def test_one_changed_digit_in_head_json_is_an_error(so8t: So8t, head: Path, key: str) -> None:
    text = (head / "head.json").read_text(encoding="utf-8")
    value = str(json.loads(text)[key])
    other = value[:-1] + str((int(value[-1], 16) + 1) % 10)
    (head / "head.json").write_text(text.replace(value, other), encoding="utf-8")
    check(so8t, "head.json was changed", "train the head again")


@pytest.mark.parametrize("name", sorted(path.name for path in SHIPPED.iterdir() if path.suffix != ".md"))
def test_a_file_that_is_missing_empty_or_a_folder_is_an_error(so8t: So8t, head: Path, name: str) -> None:
    (head / name).write_bytes(b"")
    check(so8t, name)
    (head / name).unlink()
    check(so8t, name)
    (head / name).mkdir()
    check(so8t, name)


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("labels", ["ESCALATE", "ALLOW", "REFUSE"], "label order"),
        ("labels", ["REFUSE", "ESCALATE", "ALLOW"], "label order"),
        ("labels", ["ALLOW", "REFUSE"], "label order"),
        ("labels", [], "label order"),
        ("rendering", "0", "rendering"),
        ("format", 99, "format"),
        ("backbone", "other@0", "other"),
        ("dimension", 7, "train the head again"),
        ("temperature", 0, "temperature"),
        ("temperature", -1, "temperature"),
        ("allow_threshold", 0, "allow_threshold"),
        ("refuse_threshold", "high", "refuse_threshold"),
        ("sha256", "0" * 64, "SHA-256"),
        ("surprise", 1, "surprise"),
    ],
)
def test_a_head_that_says_something_else_is_an_error(
    so8t: So8t, head: Path, key: str, value: object, says: str
) -> None:
    meta = json.loads((head / "head.json").read_text(encoding="utf-8"))
    (head / "head.json").write_text(seal(meta | {key: value}), encoding="utf-8")
    check(so8t, says)


@pytest.mark.parametrize("text", [b"\xff\xfe", b"{", b"[]", b'{"temperature": NaN}', b'{"format": 1, "format": 1}'])
def test_a_head_json_that_is_none_is_an_error(so8t: So8t, head: Path, text: bytes) -> None:
    (head / "head.json").write_bytes(text)
    check(so8t, "head")


@pytest.mark.parametrize("content", [b"", b"GGUF", b"GGUF\x03\x00\x00\x00" + b"\xff" * 100, b"no model at all"])
def test_a_file_that_is_no_model_is_one_line_and_the_program_lives_on(so8t: So8t, folder: Path, content: bytes) -> None:
    (folder / "bad.gguf").write_bytes(content)
    (folder / "agent.toml").write_text(
        '[model]\nllama_cpp.model = "bad.gguf"\n[gate]\nturns = "off"\n', encoding="utf-8"
    )
    so8t("run", "-p", "hello").failed("bad.gguf")
    kinds = [record["kind"] for record in so8t("audit", "list", "--json").json]
    assert (kinds[0], kinds[-1]) == ("session", "session")  # it ended in order


COMMANDS = [("run", "-p", "hello"), ("audit", "list"), ("audit", "verify"), ("why", "x"), ("review", "list")]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("content", [b"garbage", bytes(range(256)) * 100, b"SQLite format 3\x00" + b"\xff" * 5000])
def test_a_database_that_is_none_is_one_line_and_stays_as_it_is(
    so8t: So8t, tmp_path: Path, command: tuple[str, ...], content: bytes
) -> None:
    database = tmp_path / "data" / "so8t.db"
    database.parent.mkdir()
    database.write_bytes(content)
    so8t(*command).failed("so8t.db")
    assert database.read_bytes() == content


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_database_of_another_program_is_one_line_and_stays_as_it_is(
    so8t: So8t, tmp_path: Path, command: tuple[str, ...]
) -> None:
    database = tmp_path / "data" / "so8t.db"
    database.parent.mkdir()
    with sqlite3.connect(database) as conn:
        conn.execute("CREATE TABLE record (id INTEGER)")
    conn.close()
    before = database.read_bytes()
    so8t(*command).failed("so8t.db")
    assert database.read_bytes() == before


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_data_folder_that_cannot_be_is_one_line(so8t: So8t, tmp_path: Path, command: tuple[str, ...]) -> None:
    (tmp_path / "data").write_text("", encoding="utf-8")
    so8t(*command).failed("data", "SO8T_DATA")


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_database_that_is_a_folder_is_one_line(so8t: So8t, tmp_path: Path, command: tuple[str, ...]) -> None:
    (tmp_path / "data" / "so8t.db").mkdir(parents=True)
    so8t(*command).failed("so8t.db")
