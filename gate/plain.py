"""One plain spelling for many: so that tricks of case, width, spacing or look-alike letters do not break a match.

Nothing here changes what a tool receives; these copies are only compared.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache

import regex

INVISIBLE = regex.compile(r"[\p{Cf}\p{Default_Ignorable_Code_Point}\u2800]")
_SPACE = regex.compile(r"[\s\p{Z}\p{Cc}]+")

# Letters that look like a Latin one (Unicode TR39, confusables.txt: the Cyrillic, Greek and Armenian rows, lower case).
LOOK_ALIKES = dict(
    zip(
        "аеорсухіјѕԁһӏԛԝүмткгпвьѵн" + "οανρτυικχεγηωςσβζ" + "օսոհց",
        "aeopcyxijsdhlqwymtkrnbbvh" + "oavptuikxeynwcsbz" + "ounhg",
        strict=True,
    )
)
_TO_LATIN = str.maketrans(LOOK_ALIKES)


@lru_cache(maxsize=512)
def plain(text: str) -> str:
    """NFKC, case folded, invisible characters removed, each run of white space one space."""
    folded = INVISIBLE.sub("", unicodedata.normalize("NFKC", text).casefold())
    return str(_SPACE.sub(" ", unicodedata.normalize("NFKC", folded)).strip())


@lru_cache(maxsize=512)
def skeleton(text: str) -> str:
    """`plain`, and letters that look like Latin ones become those."""
    return plain(text).translate(_TO_LATIN)


@lru_cache(maxsize=512)
def squash(text: str) -> str:
    """`skeleton` without any space."""
    return skeleton(text).replace(" ", "")
