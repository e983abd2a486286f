"""The trail as text for other programs."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from contextlib import suppress
from typing import IO, Any

from so8t.audit_db.chain import Record
from so8t.audit_db.errors import BadFilter, TrailDamaged, nearest
from so8t.gate.strict_json import canonical

COLUMNS = ("seq", "at", "session", "kind", "subject", "decision", "body", "previous", "hash")
FORMATS = ("jsonl", "csv")


def export(records: Iterable[Record], file: IO[str], format_: str) -> int:
    """Write each record as a line of JSON, or as a row of CSV under a heading. Returns how many.

    In JSON lines the body is an object; its canonical JSON text is what the hash was made of.
    """
    match format_:
        case "jsonl":
            return sum(1 for r in records if file.write(canonical(_line(r)) + "\n"))
        case "csv":
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(COLUMNS)
            return sum(1 for r in records if writer.writerow([harmless(cell) for cell in _cells(r)]))
    raise BadFilter(f"unknown format {format_!r}; valid: {nearest(format_, FORMATS)}")


def harmless(cell: str) -> str:
    """The cell with an apostrophe before what a spreadsheet would run as a formula (OWASP: CSV injection)."""
    return (
        f"'{cell}"
        if cell.lstrip(" ").startswith(("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"))
        else cell
    )


def _cells(record: Record) -> list[str]:
    return ["" if v is None else str(v) for v in (getattr(record, _field(name)) for name in COLUMNS)]


def _line(record: Record) -> dict[str, Any]:
    line = {name: getattr(record, _field(name)) for name in COLUMNS}
    with suppress(TrailDamaged):  # then it is shown as the text that stands there
        line["body"] = record.body
    return line


def _field(column: str) -> str:
    return "body_json" if column == "body" else column
