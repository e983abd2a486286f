"""Makers of free text: sentences, lines of code, notes, search words, SQL."""

from __future__ import annotations

from random import Random

from so8t.training.mini import wordlists
from so8t.training.mini.atoms import code, file, identifier, made_up, name, number, stem, url, word
from so8t.training.mini.words import ADJECTIVES, DAYS, MONTHS, NAMES, NOUNS, VERBS

GREETINGS = ("hello", "hi", "hey", "bye", "goodbye", "good morning", "good night", "thanks", "welcome", "hello there")
SENTENCES, CODE, NOTES, TOPICS = map(wordlists.lines, ("sentences", "code", "notes", "topics"))


def compose(pattern: str, r: Random) -> str:
    """`pattern` with its slots filled by random words, names, numbers and dates."""
    words = {
        "noun": r.choice(NOUNS), "noun2": r.choice(NOUNS), "noun3": r.choice(NOUNS), "adj": r.choice(ADJECTIVES),
        "adj2": r.choice(ADJECTIVES), "verb": r.choice(VERBS), "verb2": r.choice(VERBS), "name": r.choice(NAMES),
        "day": r.choice(DAYS), "month": r.choice(MONTHS), "dayno": str(r.randrange(1, 32)), "hour": _hour(r),
        "number": number(r), "number2": number(r), "digits": str(r.randrange(100, 999999)), "word": word(r),
        "word2": word(r), "WORD": word(r).upper(), "code": code(r), "code2": code(r), "file": name(r),
        "year": str(r.randrange(1950, 2040)),
    }  # fmt: skip
    for slot, value in words.items():
        pattern = pattern.replace("{" + slot + "}", value)
    return pattern


def _hour(r: Random) -> str:
    return r.choice(
        (
            f"{r.randrange(1, 13)}{r.choice(('', ':30', ':15'))} {r.choice(('am', 'pm'))}",
            f"{r.randrange(24)}:{r.randrange(60):02}",
            f"{r.randrange(1, 13)}pm",
            "noon",
        )
    )


def salad(r: Random, low: int, high: int) -> str:
    """Random words in a row, so that no habit of wording tells where a value ends."""
    parts = [
        word(r) if r.random() < 0.85 else r.choice((code(r), number(r), r.choice(NAMES)))
        for _ in range(r.randrange(low, high))
    ]
    if r.random() < 0.15 and len(parts) > 2:
        parts[r.randrange(len(parts) - 1)] += r.choice((",", ":", ";", " -"))
    return " ".join(parts)


def _case(text: str, r: Random) -> str:
    kind = r.random()
    if kind < 0.62:
        return text
    return text.upper() if kind < 0.68 else text.title() if kind < 0.74 else text[0].upper() + text[1:]


def content(r: Random) -> str:
    """Text to write into a file: one to fifteen words, or a line of code."""
    kind = r.random()
    if kind < 0.14:
        return compose(r.choice(CODE), r)
    if kind < 0.26:
        return r.choice((r.choice(GREETINGS), word(r), r.choice(NAMES)))
    if kind < 0.30:
        return r.choice(
            (
                code(r),
                number(r),
                made_up(r),
                url(r),
                str(r.randrange(10**6)),
                "ok",
                "done",
                "yes",
                "hello world",
                "test",
            )
        )
    text = compose(r.choice(SENTENCES), r) if kind < 0.68 else salad(r, 1, 5) if kind < 0.88 else salad(r, 4, 14)
    if kind > 0.64 and kind < 0.68:
        text += r.choice((", ", " and ", "; ", ". ")) + compose(r.choice(SENTENCES), r)
    return _case(text, r) + (r.choice("!!?.") if r.random() < 0.06 else "")


def needle(r: Random) -> str:
    """Text to look for in files."""
    kind = r.random()
    if kind < 0.42:
        return _case(word(r), r)
    if kind < 0.54:
        return r.choice(
            (identifier(r), identifier(r), stem(r), identifier(r).upper(), code(r), word(r) + "()", identifier(r) + "(")
        )
    if kind < 0.62:
        return r.choice(
            (
                compose(r.choice(CODE), r),
                number(r),
                r.choice(NAMES),
                file(r),
                "TODO",  # what people search their code for
                "FIXME",
                "import " + word(r),
                "def " + word(r),
            )
        )
    return _case(salad(r, 2, 4) if kind < 0.84 else compose(r.choice(SENTENCES), r), r)


def note(r: Random) -> str:
    """A statement to remember."""
    kind = r.random()
    text = (
        compose(r.choice(NOTES), r)
        if kind < 0.7
        else compose(r.choice(SENTENCES), r)
        if kind < 0.85
        else salad(r, 2, 9)
    )
    text = text.rstrip("?!.")
    return text[0].upper() + text[1:] if r.random() < 0.15 else text


def topic(r: Random) -> str:
    """One to three words to recall."""
    return compose(r.choice(TOPICS), r) if r.random() < 0.75 else salad(r, 1, 4)


def select(r: Random) -> str:
    """A whole SELECT statement."""
    table, column, other = identifier(r), identifier(r), identifier(r)
    value = r.choice((str(r.randrange(1000)), f"'{word(r)}'", f"'{r.choice(NAMES)}'"))
    what = r.choice(
        (
            "*",
            column,
            f"{column}, {other}",
            f"COUNT(*), {column}",
            f"SUM({column})",
            f"MAX({column})",
            "COUNT(*)",
            f"AVG({column})",
            "id, name",
            f"DISTINCT {column}",
        )
    )
    text = f"SELECT {what} FROM {table}"  # noqa: S608  # an example text, never run
    if r.random() < 0.4:
        text += f" WHERE {other} {r.choice(('=', '>', '<', '>=', '!=', 'LIKE'))} {value}"
    if r.random() < 0.15:
        text += f" GROUP BY {column}"
    if r.random() < 0.3:
        text += f" ORDER BY {column}{r.choice(('', ' DESC', ' ASC'))}"
    if r.random() < 0.3:
        text += f" LIMIT {r.randrange(1, 100)}"
    text += ";" if r.random() < 0.08 else ""
    if r.random() < 0.15:
        for keyword in ("SELECT", "FROM", "WHERE", "ORDER BY", "GROUP BY", "LIMIT", "COUNT", "DISTINCT"):
            text = text.replace(keyword, keyword.lower())
    return text
