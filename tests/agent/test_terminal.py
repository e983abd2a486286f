"""What may reach a terminal: every code point is looked at, and text of all kinds that hypothesis makes up."""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from so8t.agent.terminal import MARKS, one_line, safe, safe_json

ANY = st.characters(exclude_categories=())  # also lone surrogates, private use, unassigned
NASTY = st.sampled_from(
    "\x1b\x9b\x00\r\b\x7f\u202e\u2066\u200b\u200d\ufe0f\ufe00\U000e0041\U000e0101\u3164\u2800\u0301\ud800\n\t "
)
TEXT = st.text(ANY | NASTY | st.sampled_from("abc日本語é❤🎉 "))

# Default_Ignorable_Code_Point of Unicode (DerivedCoreProperties.txt), written out, and what else is blank
INVISIBLE = [
    *((0xAD, 0xAD), (0x34F, 0x34F), (0x61C, 0x61C), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F)),
    *((0x200B, 0x200F), (0x202A, 0x202E), (0x2060, 0x206F), (0x3164, 0x3164), (0xFE00, 0xFE0F), (0xFEFF, 0xFEFF)),
    *((0xFFA0, 0xFFA0), (0xFFF0, 0xFFF8), (0x1BCA0, 0x1BCA3), (0x1D173, 0x1D17A), (0xE0000, 0xE0FFF)),
    *((0x2800, 0x2800), (0xFFFC, 0xFFFC), (0x1D159, 0x1D159)),
]
MARKER = re.compile("‹U\\+[0-9A-F]{4,6}›")


def visible(character: str) -> bool:
    """What the test says may be written; not made from the code under test."""
    if character in " \u3000":
        return True
    hidden = any(first <= ord(character) <= last for first, last in INVISIBLE)
    return unicodedata.category(character)[0] not in "CZ" and not hidden


def raw_is_visible(text: str) -> bool:
    without_emoji = re.sub("[\u00a9-\U0001faff]\ufe0f", "*", text)
    # Python's tables may be older than the ones in use: a character it does not know yet is no control character
    return all(visible(c) or unicodedata.category(c) == "Cn" for c in without_emoji)


def test_every_code_point_is_written_as_it_is_or_marked() -> None:
    for code in range(0x110000):
        character = chr(code)
        if character in "\n\t":
            continue
        shown = safe(character)
        assert shown in (character, f"‹U+{code:04X}›")
        if shown == character:
            assert visible(character) or unicodedata.category(character) == "Cn", f"U+{code:04X}"


@pytest.mark.parametrize(
    "text",
    [
        "メモを「日本語」で書く。ﾊﾝｶｸ、全角ＡＢＣ　葛城",
        "か\u3099く (a decomposed が)",
        "Crème brûlée, Straße, naïve, cafe\u0301, Tiê\u0301ng Việt",
        "Привет, Γειά σου, مرحبا, שָׁלוֹם, नमस्ते, สวัสดี, မြွှေ့, 한국어, ⵣ"[:-3],
        "🎉 👍🏽 ❤️ ☀️ 🇯🇵 → ✓ ½ € “quoted” ─",
        r'C:\dir {"a": [1]} <b>$x & `y`</b>',
    ],
)
def test_ordinary_text_stays_readable(text: str) -> None:
    assert safe(text) == text
    assert json.loads(safe_json(text)) == text
    assert safe_json(text) == json.dumps(text, ensure_ascii=False)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J", "‹U+001B›[2J"),
        ("\x9b2J", "‹U+009B›2J"),
        ("a\rb\bc\x7f", "a‹U+000D›b‹U+0008›c‹U+007F›"),
        ("gpj\u202eexe", "gpj‹U+202E›exe"),
        ("x\ufe0f", "x‹U+FE0F›"),
        ("❤\ufe0f\ufe0f", "❤\ufe0f‹U+FE0F›"),
        ("葛\U000e0100", "葛‹U+E0100›"),
        ("\U000e0041", "‹U+E0041›"),
        ("a\u3164b\u2800c\xa0d\u2003e", "a‹U+3164›b‹U+2800›c‹U+00A0›d‹U+2003›e"),
        ("👩\u200d🚀", "👩‹U+200D›🚀"),
        ("\ud83d", "‹U+D83D›"),
        ("\u0301a", "‹U+0301›a"),
        (" \u0338", " ‹U+0338›"),
        ("\u2028", "‹U+2028›"),
        ("\ue000\U0010ffff", "‹U+E000›‹U+10FFFF›"),
        ("𓀀", "‹U+13000›"),
    ],
)
def test_what_nobody_sees_is_marked(text: str, shown: str) -> None:
    assert safe(text) == shown


@given(TEXT)
def test_nothing_else_is_ever_written_raw(text: str) -> None:
    assert raw_is_visible(safe(text).replace("\n", ""))
    assert raw_is_visible(safe(text, lines=False))
    assert raw_is_visible(one_line(text))
    assert raw_is_visible(safe_json(text))


@given(TEXT.filter(lambda text: "‹" not in text))
def test_each_hidden_character_has_a_marker_and_all_others_are_there(text: str) -> None:
    shown = safe(text)
    back = MARKER.sub(lambda marker: chr(int(marker[0][3:-1], 16)), shown)
    assert back == text.replace("\t", "    ")


@given(TEXT)
def test_safe_text_stays_as_it_is(text: str) -> None:
    assert safe(safe(text)) == safe(text)


@given(st.text(st.sampled_from("a日\u0301\u0302\u20dd\u0489")))
def test_combining_marks_never_pile_up(text: str) -> None:
    assert max((len(pile) for pile in re.findall("[\u0301\u0302\u20dd\u0489]+", safe(text))), default=0) <= MARKS


@given(TEXT, st.integers(0, 60))
def test_one_line_says_how_much_is_missing(text: str, limit: int) -> None:
    whole = one_line(text, 10_000)
    line = one_line(text, limit)
    assert "\n" not in line
    if line == whole:
        assert len(whole) <= limit + len(" ‹99 more›")
        return
    shown, missing = re.fullmatch(r"(.*) ‹(\d+) more›", line).groups()  # type: ignore[union-attr] # it must match
    assert len(shown) <= limit < len(whole)
    assert len(line) < len(whole)
    assert whole.startswith(shown)
    flat = MARKER.sub("x", whole) if "‹" not in text else None
    assert flat is None or int(missing) == len(flat) - len(MARKER.sub("x", shown))


def test_what_takes_no_more_room_than_a_note_about_it_is_shown() -> None:
    assert one_line("x" * 20, 11) == "x" * 20
    assert one_line("x" * 20, 10) == "x" * 20
    assert one_line("x" * 21, 10) == "x" * 10 + " ‹11 more›"
    assert one_line("x" * 19, 10) == "x" * 19
    assert one_line("", 0) == ""


def test_lines_and_blanks_are_drawn_together_on_one_line() -> None:
    assert one_line("  rm  -rf\t/\n\n \nyes\n") == "rm -rf / ⏎ yes"
    assert one_line("a\x1fb\x85c\u2028d") == "a‹U+001F›b‹U+0085›c‹U+2028›d"
    assert one_line("x" * 250) == "x" * 200 + " ‹50 more›"


def test_newlines_stay_where_lines_are_wanted_and_tabs_become_spaces() -> None:
    assert safe("a\n\tb") == "a\n    b"
    assert safe("a\nb", lines=False) == "a⏎b"


JSON = st.recursive(st.none() | st.booleans() | st.integers() | TEXT, lambda x: st.lists(x) | st.dictionaries(TEXT, x))


@given(JSON)
def test_safe_json_is_the_same_value_without_a_raw_hidden_character(value: Any) -> None:
    assert json.loads(safe_json(value)) == _paired(value)


def _paired(value: Any) -> Any:
    """JSON cannot tell two lone surrogates side by side from the character that they make."""
    return json.loads(json.dumps(value))
