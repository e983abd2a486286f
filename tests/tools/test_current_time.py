"""current_time."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from so8t.tools import Outcome

Run = Callable[..., Outcome]
FORM = re.compile(r"(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d), (\w+day) \((.+), UTC([+-]\d\d:\d\d)\)")


def parsed(text: str) -> datetime:
    match = FORM.fullmatch(text)
    assert match
    return datetime.fromisoformat(f"{match[1]}T{match[2]}{match[5]}")


@pytest.mark.parametrize("timezone", ["", "Asia/Tokyo", "America/New_York", "Asia/Kolkata", "UTC"])
def test_the_time_is_now(run_tool: Run, timezone: str) -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    said = parsed(run_tool("current_time", timezone=timezone).output)
    assert before <= said <= datetime.now(UTC) + timedelta(seconds=1)


def test_the_zone_decides_the_offset_and_the_day(run_tool: Run) -> None:
    output = run_tool("current_time", timezone="Asia/Tokyo").output
    assert parsed(output).utcoffset() == timedelta(hours=9)
    assert f", {['Mon', 'Tues', 'Wednes', 'Thurs', 'Fri', 'Satur', 'Sun'][parsed(output).weekday()]}day (" in output


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("Asia/Tokio", "Asia/Tokyo"),
        ("tokyo", "Asia/Tokyo"),
        ("New York", "America/New_York"),
        ("asia/tokyo", "Asia/Tokyo"),
    ],
)
def test_an_unknown_zone_names_the_nearest(run_tool: Run, name: str, nearest: str) -> None:
    outcome = run_tool("current_time", timezone=name)
    assert outcome.status == "error"
    assert f"nearest: {nearest}" in outcome.output


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/localtime", "Asia", "\0", "東京"])
def test_no_name_reaches_the_file_system(run_tool: Run, name: str) -> None:
    assert run_tool("current_time", timezone=name).output.startswith("there is no time zone")
