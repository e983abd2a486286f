"""Grants as the commands print them: whole, and harmless in a terminal."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from so8t.agent.terminal import one_line, safe_json
from so8t.audit_db import Grant
from so8t.gate.grants import Glob, Statement, stated_json
from so8t.gate.strict_json import loads


def grant_line(grant: Grant) -> str:
    """One line of the list: id, state, tool, arguments, how long and how often, who made it."""
    arguments = one_line(", ".join(f"{name}{_told(statement)}" for name, statement in grant.stated.items()), 80)
    tool, by = one_line(grant.tool, 40), one_line(grant.made_by, 40)
    return f"{grant.id}  {grant.state:<8}  {tool}  {arguments or 'no arguments'}  {_when(grant)}, {_times(grant)}  {by}"


def grant_text(grant: Grant) -> str:
    """The whole grant: nothing of what it lets pass is cut."""
    rows = [("tool", safe_json(grant.tool)[1:-1])]
    rows += [("argument", f"{safe_json(name)[1:-1]}{_told(statement)}") for name, statement in grant.stated.items()]
    rows += [] if grant.stated else [("argument", "none: only a call without arguments fits")]
    rows += [("holds", f"{_when(grant)}, {_times(grant)}"), ("for", one_line(grant.owner, 2000))]
    rows += [("made by", f"{one_line(grant.made_by, 2000)}, {_clock(grant.created)}")]
    if grant.revoked_by is not None and grant.revoked_at is not None:
        rows += [("revoked", f"by {one_line(grant.revoked_by, 2000)}, {_clock(grant.revoked_at)}")]
    return "\n".join([f"{grant.id}  {grant.state}", *(f"{label:<9} {text}" for label, text in rows)])


def grant_json(grant: Grant) -> dict[str, Any]:
    """The grant as plain JSON values."""
    plain = {name: getattr(grant, name) for name in grant.__slots__ if name != "stated"}
    times = {name: plain[name] and plain[name].isoformat() for name in ("created", "until", "revoked_at")}
    return plain | times | {"arguments": loads(stated_json(grant.stated))}


def _told(statement: Statement) -> str:
    """The exact value as JSON, or the pattern; every character that a reader would not see is an escape."""
    if isinstance(statement, Glob):
        return f" fits {safe_json(statement.pattern)}"
    return f" = {safe_json(loads(statement.value_json))}"


def _when(grant: Grant) -> str:
    session = f"in the session {one_line(grant.session, 40)}" if grant.session else ""
    until = f"until {_clock(grant.until)}" if grant.until else ""
    return " ".join(part for part in (session, until) if part)


def _times(grant: Grant) -> str:
    return f"{grant.uses} uses of any number" if grant.times is None else f"{grant.uses} of {grant.times} uses"


def _clock(moment: datetime) -> str:
    return f"{moment.isoformat()[:19]}Z"
