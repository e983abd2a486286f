"""The trail as JSON lines and as CSV."""

from __future__ import annotations

import csv
import hashlib
import io
from typing import Any

import pytest

from so8t.audit_db.errors import BadFilter
from so8t.audit_db.export import harmless
from so8t.gate.contract import Decision, Message
from so8t.gate.strict_json import canonical, loads


def test_json_lines_hold_everything_that_the_hash_was_made_of(world: Any) -> None:
    world.trail.message("s1", Message("user", "日本\n=1+1"))
    world.decided(world.call(), Decision.ALLOW)
    file = io.StringIO()
    assert world.trail.export(file) == 2
    previous = "0" * 64
    for line in file.getvalue().splitlines():
        found = loads(line)
        claimed = found.pop("hash")
        assert found["previous"] == previous
        found["body"] = canonical(found["body"])
        assert hashlib.sha256(canonical(found).encode()).hexdigest() == claimed
        previous = claimed


def test_csv_is_read_back_by_any_reader_and_filters_work(world: Any) -> None:
    world.trail.message("s1", Message("user", 'say "hi",\nnow'))
    world.trail.fault("s1", "x")
    file = io.StringIO()
    assert world.trail.export(file, "csv", kind="message") == 1
    heading, row = csv.reader(io.StringIO(file.getvalue()))
    assert dict(zip(heading, row, strict=True))["kind"] == "message"
    assert loads(row[heading.index("body")])["content"] == 'say "hi",\nnow'


def test_a_cell_that_a_spreadsheet_would_run_is_made_text(world: Any) -> None:
    world.trail.fault("=HYPERLINK(1)", "x")
    file = io.StringIO()
    world.trail.export(file, "csv")
    assert "'=HYPERLINK(1)" in file.getvalue()
    for cell in ("=1", "+1", "-1", "@x", "\t=1", "\r=1", " =1", "＝1"):
        assert harmless(cell) == "'" + cell
    for cell in ("", "1", '{"a":"=1"}', "a=b"):
        assert harmless(cell) == cell


def test_an_unknown_format_names_the_valid_ones(world: Any) -> None:
    with pytest.raises(BadFilter, match="valid: csv, jsonl"):
        world.trail.export(io.StringIO(), "cvs")
