"""A number in plain decimal notation, without floating-point noise."""

from __future__ import annotations

from decimal import Context, Decimal
from fractions import Fraction

from so8t.tools.arithmetic.number import Number

MAX_PLACES = 40  # an exact decimal fraction is written out up to here
DIGITS = 15  # significant digits of a fraction that never ends
NOISY_DIGITS = 14  # of a result of floating point: its last digits are noise
NOISE = Fraction(1, 10**15)  # sin(pi) is this near to 0


def write(number: Number) -> str:
    """`434`, `0.3`, `0.333333333333333`, `1e-30`."""
    value = number.value
    if value.denominator == 1 and (number.exact or abs(value) < 10**NOISY_DIGITS):
        return str(value.numerator)
    if number.exact and (places := _places(value.denominator)) is not None and places <= MAX_PLACES:
        return _plain(Decimal((value * 10**places).numerator).scaleb(-places, Context(prec=4000)))
    if not number.exact and abs(value) < NOISE:
        return "0"
    context = Context(prec=DIGITS if number.exact else NOISY_DIGITS)
    return _plain(context.divide(Decimal(value.numerator), Decimal(value.denominator)))


def _places(denominator: int) -> int | None:
    """How many decimal places the fraction has; None: they never end."""
    twos = (denominator & -denominator).bit_length() - 1
    rest, fives = denominator >> twos, 0
    while rest % 5 == 0:
        rest, fives = rest // 5, fives + 1
    return max(twos, fives) if rest == 1 else None


def _plain(value: Decimal) -> str:
    if value == 0:
        return "0"
    if -12 <= value.adjusted() <= 40 or value.as_tuple().exponent == 0:
        text = format(value, "f")
        return text.rstrip("0").rstrip(".") if "." in text else text
    return format(value.normalize(Context(prec=4000)), "e").replace("e+", "e")
