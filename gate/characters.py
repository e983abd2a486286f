"""Characters that a reader does not see, or sees elsewhere than they stand."""

from __future__ import annotations

import unicodedata

import regex

# A complete emoji: base, presentation selector, skin tone, joined parts; keycaps; the three flags of regions.
_EMOJI = regex.compile(
    r"[0-9#*]\uFE0F?\u20E3"
    r"|\U0001F3F4\U000E0067\U000E0062(?:\U000E0065\U000E006E\U000E0067|\U000E0073\U000E0063\U000E0074"
    r"|\U000E0077\U000E006C\U000E0073)\U000E007F"
    r"|\p{Extended_Pictographic}[\uFE0E\uFE0F]?\p{EMod}?(?:\u200D\p{Extended_Pictographic}\uFE0F?\p{EMod}?)*"
)
_HAN_VARIANT = regex.compile(r"(\p{sc=Han})[\U000E0100-\U000E01EF](?![\U000E0100-\U000E01EF])")
_NAMED = (
    ("Unicode tag characters (an invisible alphabet)", r"[\U000E0000-\U000E007F]"),
    ("bidirectional controls (text shown in another order)", r"[\p{Bidi_Control}]"),
    ("variation selectors without a character to vary", r"[\p{Variation_Selector}]"),
    ("invisible characters", r"[\p{Cf}\p{Default_Ignorable_Code_Point}\u2800\u2028\u2029]"),
    ("control characters", r"\p{Cc}"),
    ("private, unassigned or replacement characters", r"[\p{Co}\p{Cn}\p{Cs}\uFFFD]"),
    ("piles of combining marks", r"\p{M}{4,}|(?:^|\s)\p{Mn}"),
)
_PATTERNS = tuple((name, regex.compile(pattern)) for name, pattern in _NAMED)
_ORDINARY = regex.compile(r"\r\n|[\t\n]")


def odd_characters(text: str) -> tuple[str, int] | None:
    """What kind of unreadable characters the text holds and the code point of the first, or None."""
    if text.isascii() and text.isprintable():
        return None
    rest = unicodedata.normalize("NFC", _ORDINARY.sub(" ", text))
    rest = _HAN_VARIANT.sub(r"\1", _EMOJI.sub("*", rest))
    for name, pattern in _PATTERNS:
        match = pattern.search(rest)
        if match:
            return name, ord(match.group()[-1])
    return None
