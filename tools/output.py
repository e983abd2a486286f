"""What a tool returned, as text for the model: capped, and one line for an error."""

from __future__ import annotations

import dataclasses
import inspect
import json
from typing import Any

from pydantic import BaseModel

from so8t.tools.errors import ToolError


def to_text(value: object) -> str:
    """Text as it stands, None as 'done', anything else as JSON. Raises ToolError for what JSON cannot carry."""
    if isinstance(value, str):
        return value
    if value is None:
        return "done"
    if inspect.iscoroutine(value):
        value.close()
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, default=_plain)
    except (TypeError, ValueError, RecursionError) as error:
        kind = type(value).__name__
        raise ToolError(f"the tool returned {kind}, which is neither text nor JSON ({error})") from None


def cap(text: str, limit: int) -> tuple[str, bool]:
    """At most `limit` bytes of UTF-8, cut between characters, then a marker; and whether it was cut."""
    data = text.encode("utf-8", "backslashreplace")  # a lone surrogate (a broken file name) becomes visible
    if len(data) <= limit:
        return data.decode(), False
    kept = data[:limit].decode("utf-8", "ignore")
    missing = len(data) - len(kept.encode())
    return f"{kept}\n[cut: {missing} of {len(data)} bytes are not shown]", True


def one_line(error: BaseException) -> str:
    """Type and message, without line breaks."""
    return " ".join(f"{type(error).__name__}: {message(error)}".split()).removesuffix(":")


def message(error: BaseException) -> str:
    """The text of an exception, whatever its `__str__` does."""
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - a tool's own exception class may raise anything
        return "(its text cannot be read)"


def _plain(value: object) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    raise TypeError(f"{type(value).__name__} is not a JSON value")
