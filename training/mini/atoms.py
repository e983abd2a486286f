"""Makers of names, numbers and addresses: each call returns another value, from a random source of the caller's."""

from __future__ import annotations

from random import Random

from so8t.training.mini.words import ADJECTIVES, EXTENSIONS, FIXED_FILES, NOUNS, TECH, VERBS, split

ONSETS = split("b c d f g h j k l m n p r s t v w z br ch cl dr fl gr kr pl qu sh sk sl st th tr")
VOWELS = split("a e i o u a e i o ai ea ee io oo ou y")
CODAS = ["", "", "", "l", "m", "n", "r", "s", "t", "x", "ck", "nd", "rt", "st", "ng", "sh"]
SHORT_STEMS = split(
    "out output log test data notes note todo list info temp tmp draft result results report a b c x y f1"
)
DOMAINS = split("com com com org net io dev co.uk de jp info edu gov app me xyz fr eu ai tv")
SHORT_SHARE = 0.15  # of the file names
FIXED_FOLDERS = split(".. /tmp ~ /etc /var/log ~/Documents ./src /home ../.. /")


def made_up(r: Random) -> str:
    """A word that is in no dictionary."""
    return "".join(r.choice(ONSETS) + r.choice(VOWELS) + r.choice(CODAS) for _ in range(r.choice((1, 2, 2, 3))))[:12]


def code(r: Random) -> str:
    """Letters and digits without a meaning, such as x7k2 or B12."""
    if r.random() < 0.4:
        return r.choice("abcdefghijkmnpqrstuvwxyzABCDEFGHKLMPQRSTVX") + str(r.randrange(1, 1000))
    return "".join(r.choice("abcdefghijklmnopqrstuvwxyz0123456789") for _ in range(r.randrange(2, 8)))


def word(r: Random) -> str:
    """A lower-case word: a known one or a made-up one."""
    kind = r.random()
    if kind < 0.25:
        return made_up(r)
    return r.choice(NOUNS if kind < 0.65 else TECH if kind < 0.8 else ADJECTIVES if kind < 0.9 else VERBS)


def stem(r: Random) -> str:
    """A file's name without its extension."""
    count = r.choice((1, 1, 1, 2, 2, 2, 3))
    parts = [word(r) for _ in range(count)]
    if r.random() < 0.22:
        parts.append(
            r.choice((str(r.randrange(0, 100)), f"v{r.randrange(1, 10)}", code(r), str(r.randrange(1990, 2031))))
        )
    if r.random() < 0.05:
        parts = [f"{r.randrange(2015, 2031)}-{r.randrange(1, 13):02}-{r.randrange(1, 29):02}", *parts[:1]]
    style = r.random()
    if style < 0.12:
        return "".join(part.capitalize() for part in parts)
    if style < 0.17:
        return parts[0] + "".join(part.capitalize() for part in parts[1:])
    if style < 0.23:
        return "_".join(part.upper() for part in parts)
    return r.choice(("_", "_", "-", "-", "", ".")).join(parts)


def short_name(r: Random) -> str:
    """A file name as people make it up on the spot: out.txt, a.md."""
    base = r.choice(SHORT_STEMS) if r.random() < 0.5 else r.choice(NOUNS)
    return base + "." + r.choice(("txt", "txt", "txt", "md", "log", "json", "csv", "py"))


def name(r: Random) -> str:
    """A file name."""
    if r.random() < SHORT_SHARE:
        return short_name(r)
    kind = r.random()
    if kind < 0.10:
        return r.choice(FIXED_FILES)
    if kind < 0.16:
        return r.choice(("", ".")) + stem(r)
    if kind < 0.21:
        spaced = " ".join([word(r) for _ in range(r.choice((2, 2, 3)))])
        return (spaced.capitalize() if r.random() < 0.6 else spaced) + "." + r.choice(EXTENSIONS[:30])
    extension = r.choice(EXTENSIONS) if r.random() < 0.5 else r.choice(EXTENSIONS[:14])
    return stem(r) + "." + (extension.upper() if r.random() < 0.02 else extension)


def folder(r: Random) -> str:
    """A folder's path."""
    kind = r.random()
    if kind < 0.04:
        return r.choice(FIXED_FOLDERS)
    path = "/".join(stem(r) if r.random() < 0.3 else word(r) for _ in range(r.choice((1, 1, 1, 2, 2, 3))))
    if kind < 0.14:
        path = r.choice(("./", "../", "/", "~/", "/home/", "/srv/")) + path
    elif kind < 0.20:
        return " ".join(word(r).capitalize() for _ in range(2))
    elif kind < 0.28:
        path = path.capitalize()
    return path + ("/" if r.random() < 0.12 else "")


def file(r: Random) -> str:
    """A file name, or a path that leads to one."""
    if r.random() < 0.62:
        return name(r)
    return folder(r).rstrip("/") + "/" + name(r)


def number(r: Random) -> str:
    """A number as typed."""
    kind = r.random()
    if kind < 0.55:
        return str(r.randrange(0, 10 ** r.choice((1, 2, 2, 3, 3, 4, 5, 6))))
    if kind < 0.9:
        return f"{r.randrange(0, 10 ** r.choice((1, 2, 3, 4)))}.{r.randrange(0, 100):0{r.choice((1, 2))}}"
    return str(r.randrange(1, 10**9))


def _term(r: Random, depth: int) -> str:
    kind = r.random()
    if depth == 0 or kind < 0.5:
        return number(r) if r.random() < 0.4 else str(r.randrange(1, 100))
    if kind < 0.58:
        return f"sqrt({_term(r, depth - 1)})"
    return "(" + _sum(r, depth - 1) + ")"


def _sum(r: Random, depth: int) -> str:
    gap = r.choice(("", " ", " "))
    terms = [_term(r, depth) for _ in range(r.choice((2, 2, 2, 3)))]
    out = terms[0]
    for term in terms[1:]:
        out += gap + r.choice("++--**//") + gap + term if r.random() < 0.9 else f"{gap}**{gap}{r.randrange(2, 13)}"
    return out


def expression(r: Random) -> str:
    """A symbolic expression."""
    kind = r.random()
    if kind < 0.14:
        return f"{number(r)}{r.choice(('', ' '))}% of {number(r)}"
    if kind < 0.24:
        return f"sqrt({_term(r, 1)})" if r.random() < 0.6 else f"sqrt({number(r)}) {r.choice('+-*/')} {number(r)}"
    if kind < 0.32:
        return f"{r.randrange(2, 50)}**{r.randrange(2, 20)}"
    return ("-" if r.random() < 0.03 else "") + _sum(r, r.choice((0, 0, 1, 1, 2)))


def identifier(r: Random) -> str:
    """The name of a table or a column."""
    parts = [word(r) for _ in range(r.choice((1, 1, 1, 2, 2)))]
    style = r.random()
    if style < 0.1:
        return "".join(part.capitalize() for part in parts)
    return "_".join(parts) + ("s" if r.random() < 0.4 and parts[-1][-1] not in "sy" else "")


def database(r: Random) -> str:
    """The path of an SQLite file."""
    base = stem(r) if r.random() < 0.75 else folder(r).rstrip("/").replace(" ", "_") + "/" + stem(r)
    return base + "." + r.choice(("db", "db", "sqlite", "sqlite3", "db3"))


def url(r: Random) -> str:
    """A web address, with or without its scheme."""
    host = (
        r.choice(("", "", "", "www.", "api.", "docs.", word(r) + "."))
        + word(r)
        + r.choice(("", "", "-" + word(r), word(r)))
    )
    host += "." + r.choice(DOMAINS)
    if r.random() < 0.08:
        host = r.choice(
            (
                f"localhost:{r.randrange(1000, 9999)}",
                f"127.0.0.1:{r.randrange(80, 9000)}",
                f"10.0.{r.randrange(9)}.{r.randrange(255)}",
            )
        )
    path = "".join(
        "/" + r.choice((word(r), stem(r), str(r.randrange(1, 9999)))) for _ in range(r.choice((0, 0, 1, 1, 2, 3)))
    )
    tail = r.random()
    if tail < 0.1:
        path += f"?{word(r)}={r.choice((word(r), str(r.randrange(1, 999))))}"
    elif tail < 0.25 and path:
        path += "." + r.choice(("html", "json", "txt", "xml", "csv", "pdf"))
    elif tail < 0.3:
        path += "/"
    return r.choice(("https://", "https://", "http://", "", "")) + host + path
