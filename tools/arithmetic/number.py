"""A number that knows whether it is exact, and operations whose cost is bounded."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

from so8t.tools.errors import ToolError

MAX_BITS = 10_000  # of a numerator or denominator: about 3,000 digits


class ArithmeticFault(ToolError):
    """The expression has no value: it is no arithmetic, divides by zero, or is too large."""


@dataclass(frozen=True, slots=True)
class Number:
    """`value` is exact, or (`exact` False) the nearest that floating point gives."""

    value: Fraction
    exact: bool = True

    def __post_init__(self) -> None:
        if max(self.value.numerator.bit_length(), self.value.denominator.bit_length()) > MAX_BITS:
            raise ArithmeticFault("a number here gets too large to write down")


def of_float(value: float) -> Number:
    """Raises ArithmeticFault for NaN and infinities."""
    if not math.isfinite(value):
        raise ArithmeticFault("the result is no finite number")
    return Number(Fraction(value), exact=False)


def to_float(number: Number) -> float:
    """Raises ArithmeticFault where the number is beyond floating point (1e308)."""
    try:
        return float(number.value)
    except OverflowError:
        raise ArithmeticFault("a number here is too large for this function (more than 1e308)") from None


def add(a: Number, b: Number) -> Number:
    return Number(a.value + b.value, a.exact and b.exact)


def subtract(a: Number, b: Number) -> Number:
    return Number(a.value - b.value, a.exact and b.exact)


def multiply(a: Number, b: Number) -> Number:
    return Number(a.value * b.value, a.exact and b.exact)


def divide(a: Number, b: Number) -> Number:
    return Number(a.value / _nonzero(b), a.exact and b.exact)


def floor_divide(a: Number, b: Number) -> Number:
    return Number(Fraction(a.value // _nonzero(b)), a.exact and b.exact)


def remainder(a: Number, b: Number) -> Number:
    """With the sign of the divisor, as in Python."""
    return Number(a.value % _nonzero(b), a.exact and b.exact)


def percent_of(a: Number, b: Number) -> Number:
    return Number(a.value / 100 * b.value, a.exact and b.exact)


def negate(a: Number) -> Number:
    return Number(-a.value, a.exact)


def power(base: Number, exponent: Number) -> Number:
    """Exact for whole exponents; the size of the result is checked before it is computed."""
    if base.value == 0 and exponent.value < 0:
        raise ArithmeticFault("division by zero (zero to a negative power)")
    if exponent.value.denominator != 1:
        return _real_power(base, exponent)
    size = max(abs(base.value.numerator), base.value.denominator).bit_length() - 1
    if size * abs(exponent.value) > MAX_BITS:
        raise ArithmeticFault("a power here gets too large to write down")
    return Number(base.value**exponent.value.numerator, base.exact and exponent.exact)


def root(number: Number) -> Number:
    """The square root; exact where there is an exact one."""
    if number.value < 0:
        raise ArithmeticFault("the square root of a negative number is no real number")
    above, below = math.isqrt(number.value.numerator), math.isqrt(number.value.denominator)
    if Fraction(above, below) ** 2 == number.value:
        return Number(Fraction(above, below), number.exact)
    return of_float(math.sqrt(to_float(number)))


def _real_power(base: Number, exponent: Number) -> Number:
    if base.value < 0:
        raise ArithmeticFault("a negative number to a fractional power is no real number")
    if exponent.value == Fraction(1, 2):
        return root(base)
    try:
        return of_float(math.pow(to_float(base), to_float(exponent)))
    except OverflowError:
        raise ArithmeticFault("a power here gets too large to write down") from None


def _nonzero(number: Number) -> Fraction:
    if number.value == 0:
        raise ArithmeticFault("division by zero")
    return number.value
