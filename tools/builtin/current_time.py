from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated
from zoneinfo import ZoneInfo, available_timezones

from pydantic import Field

from so8t.tools.decorator import tool
from so8t.tools.errors import ToolError
from so8t.tools.names import nearest


@tool(effects={"read"})
def current_time(
    timezone: Annotated[str, Field(description="IANA name such as Asia/Tokyo; empty: local time")] = "",
) -> str:
    """The date and time now, here or in a time zone."""
    now = datetime.now(UTC).astimezone(_zone(timezone))
    name = timezone or now.tzname() or "local time"
    offset = now.isoformat(timespec="seconds")[19:]
    return f"{now:%Y-%m-%d %H:%M:%S}, {_DAYS[now.weekday()]} ({name}, UTC{offset})"


def _zone(name: str) -> ZoneInfo | None:
    if not name:
        return None
    known = available_timezones()
    if name not in known:
        city = name.rpartition("/")[2].replace(" ", "_").casefold()
        same = sorted(zone for zone in known if zone.rpartition("/")[2].casefold() == city)
        raise ToolError(f"there is no time zone {name!r}; nearest: {', '.join((same or nearest(name, known))[:3])}")
    return ZoneInfo(name)


_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")  # strftime's follow the locale
