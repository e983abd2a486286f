"""Plausible contents of tool messages, short mostly; some are errors, waits for review or refusals."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from typing import Any

from so8t.training.mini import atoms, texts, wordlists
from so8t.training.mini.words import DAYS, MONTHS

ID_LETTERS = "23456789abcdefghjkmnpqrstuvwxyz"
_WORDS = wordlists.table("results")
NOTHING: list[str] = _WORDS["nothing"]
REASONS: list[str] = _WORDS["reasons"]
ERRORS: list[str] = _WORDS["errors"]


def result(tool: str, arguments: Mapping[str, Any], r: Random) -> str:
    """The content of the tool message after a call of `tool`."""
    kind = r.random()
    if kind < 0.10:
        return "error: " + _error(arguments, r)
    if kind < 0.15:
        return f"waiting: needs review ({''.join(r.choice(ID_LETTERS) for _ in range(8))})"
    if kind < 0.18:
        return "refused: " + r.choice(REASONS)
    return _MAKERS[tool](arguments, r)


def _error(arguments: Mapping[str, Any], r: Random) -> str:
    subject = arguments.get("path") or arguments.get("database") or arguments.get("url") or atoms.word(r)
    return r.choice(ERRORS).format(
        subject=subject,
        word=atoms.word(r),
        word2=atoms.word(r),
        word3=atoms.word(r),
        digit=r.randrange(2, 60),
        digits=r.randrange(100, 99999),
    )


def _lines(maker: Callable[[Random], str], r: Random) -> str:
    count = r.choice((1, 1, 1, 2, 2, 3, 4)) if r.random() < 0.96 else r.randrange(5, 50)
    return "\n".join(maker(r) for _ in range(count))


def _hit(r: Random) -> str:
    return f"{atoms.file(r)}:{r.randrange(1, 400)}: {texts.content(r)}"


def _row(r: Random) -> str:
    cells = [r.choice((atoms.word(r), atoms.number(r), str(r.randrange(100)))) for _ in range(r.choice((1, 2, 3)))]
    return r.choice((" | ", "\t", ", ")).join(cells)


def _time(zone: str, r: Random) -> str:
    year, month, day = r.randrange(2024, 2033), r.randrange(1, 13), r.randrange(1, 29)
    clock = f"{r.randrange(24):02}:{r.randrange(60):02}"
    offset = f"{r.choice('+-')}{r.randrange(13):02}:{r.choice(('00', '00', '30'))}"
    if r.random() < 0.5:  # as the built-in tool says it
        return (
            f"{year}-{month:02}-{day:02} {clock}:{r.randrange(60):02}, {r.choice(DAYS)} "
            f"({zone or r.choice(('UTC', 'CET', 'JST', 'EST'))}, UTC{offset})"
        )
    return r.choice((
        f"{year}-{month:02}-{day:02}T{clock}:{r.randrange(60):02}{offset}",
        f"{year}-{month:02}-{day:02} {clock}:{r.randrange(60):02} {offset}",
        f"{year}-{month:02}-{day:02} {clock} ({r.choice(DAYS)})",
        f"{r.choice(DAYS)}, {day} {r.choice(MONTHS)} {year}, {clock} {offset}",
        f"{r.choice(DAYS)} {year}-{month:02}-{day:02} {clock}:{r.randrange(60):02}",
        f"{clock}:{r.randrange(60):02}",
    ))  # fmt: skip


def _nothing_or(maker: Callable[[Random], str], r: Random) -> str:
    return r.choice(NOTHING) if r.random() < 0.12 else _lines(maker, r)


def _written(arguments: Mapping[str, Any], r: Random) -> str:
    path, size, other = arguments["path"], r.randrange(1, 300), r.randrange(1, 300)
    if r.random() < 0.3:
        return f"{r.choice(('created', 'replaced'))} {path} ({size:,} bytes)"  # as the built-in tool says it
    return r.choice((f"wrote {path}", f"wrote {size} bytes to {path}", "ok", f"{other} bytes written"))


def _value(r: Random) -> str:
    whole, number = str(r.randrange(10 ** r.randrange(1, 9))), atoms.number(r)
    decimals = f"{r.choice(('', '', '-'))}{r.random() * 10 ** r.randrange(4):.{r.randrange(1, 10)}f}"
    return r.choice((whole, number, decimals))


def _page(r: Random) -> str:
    head = r.choice(("", "", f"{r.choice((200, 200, 404))}\n", "<!doctype html>\n", "<html><body>"))
    return head + _lines(texts.content, r)


_MAKERS: dict[str, Callable[[Mapping[str, Any], Random], str]] = {
    "list_files": lambda _, r: _nothing_or(lambda r: atoms.name(r) if r.random() < 0.7 else atoms.word(r) + "/", r),
    "read_file": lambda _, r: _lines(texts.content, r),
    "write_file": _written,
    "search_text": lambda _, r: _nothing_or(_hit, r),
    "calculator": lambda _, r: _value(r),
    "current_time": lambda arguments, r: _time(arguments.get("timezone", ""), r),
    "sqlite_query": lambda _, r: _nothing_or(_row, r),
    "remember": lambda _, r: r.choice(("noted", "ok", "stored", f"stored note {r.randrange(1, 500)}", "saved")),
    "recall": lambda _, r: _nothing_or(texts.note, r),
    "http_get": lambda _, r: _page(r),
}
