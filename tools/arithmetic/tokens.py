"""From the text of an expression to its tokens; Japanese full-width digits and signs read as their plain ones."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from so8t.tools.arithmetic.number import MAX_BITS, ArithmeticFault

MAX_LENGTH = 2_000
_FULL_WIDTH = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {0x3000: " "}
_SIGNS = str.maketrans(
    {"×": "*", "✕": "*", "·": "*", "⋅": "*", "∗": "*", "÷": "/", "∕": "/", "⁄": "/", "−": "-", "–": "-", "—": "-"}
    | {
        "ー": "-",
        "π": " pi ",
        "√": " sqrt ",
        "²": "**2",
        "³": "**3",
        "\N{NO-BREAK SPACE}": " ",
        "\N{NARROW NO-BREAK SPACE}": " ",
    }
)
_NUMBER = r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4}(?![0-9A-Za-z_.]))?"
_GROUPED = r"[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])(?:\.[0-9]*)?"  # 1,250.50
_REST = re.compile(r"\s*(?:(?P<name>[xX](?=\s*[0-9.(])|[A-Za-z][A-Za-z0-9]*)|(?P<sign>\*\*|//|[-+*/%^!(),]))")
_OUTSIDE = re.compile(rf"\s*(?P<number>{_GROUPED}|{_NUMBER})")
_INSIDE = re.compile(rf"\s*(?P<number>{_NUMBER})")  # max(1,250): there the comma separates


@dataclass(frozen=True, slots=True)
class Token:
    """`text` as it stands; `value` of a number."""

    kind: Literal["number", "name", "sign", "end"]
    text: str
    value: Fraction = Fraction(0)


def tokens(expression: str) -> list[Token]:
    """Raises ArithmeticFault."""
    if len(expression) > MAX_LENGTH:
        raise ArithmeticFault(f"the expression is longer than {MAX_LENGTH} characters")
    text = expression.translate(_FULL_WIDTH).translate(_SIGNS).rstrip().rstrip("=?").rstrip()
    found: list[Token] = []
    in_call: list[bool] = []
    position = 0
    while position < len(text):
        match = (_INSIDE if in_call and in_call[-1] else _OUTSIDE).match(text, position) or _REST.match(text, position)
        if not match:
            raise ArithmeticFault(f"cannot read {text[position:].strip()[:20]!r}")
        token = _token(match)
        if token.text == "(":
            in_call.append(bool(found) and found[-1].kind == "name" and found[-1].text not in ("of", "mod", "x"))
        elif token.text == ")" and in_call:
            in_call.pop()
        elif token.text == "," and not (in_call and in_call[-1]):
            raise ArithmeticFault(
                "a comma separates thousands (1,250) or numbers of a function; write decimals with a point"
            )
        found.append(token)
        position = match.end()
    return [*found, Token("end", "the end")]


def _token(match: re.Match[str]) -> Token:
    if number := match.groupdict().get("number"):
        value = Fraction(number.replace(",", "").lower())
        if value.numerator.bit_length() > MAX_BITS:
            raise ArithmeticFault("a number here is too large")
        return Token("number", number, value)
    if name := match["name"]:
        return Token("name", name.lower())
    return Token("sign", match["sign"].replace("^", "**"))
