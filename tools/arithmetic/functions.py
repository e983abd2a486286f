"""The functions and constants that an expression may name."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction

from so8t.tools.arithmetic.number import ArithmeticFault, Number, of_float, root, to_float
from so8t.tools.names import nearest

MAX_FACTORIAL = 1000


@dataclass(frozen=True, slots=True)
class Function:
    """`work` takes between `least` and `most` numbers."""

    work: Callable[..., Number]
    least: int = 1
    most: int = 1


def call(name: str, arguments: list[Number]) -> Number:
    """Raises ArithmeticFault: unknown function, wrong number of arguments, outside its domain."""
    if name not in FUNCTIONS:
        raise ArithmeticFault(f"there is no function {name!r}; known: {', '.join(nearest(name, FUNCTIONS))}")
    function = FUNCTIONS[name]
    if not function.least <= len(arguments) <= function.most:
        raise ArithmeticFault(f"{name} does not take {len(arguments)} numbers")
    try:
        return function.work(*arguments)
    except (ValueError, OverflowError):
        raise ArithmeticFault(f"{name} has no value there") from None


def constant(name: str) -> Number:
    """Raises ArithmeticFault: unknown name."""
    if name in CONSTANTS:
        return CONSTANTS[name]
    if name in FUNCTIONS:
        raise ArithmeticFault(f"{name} needs its number in parentheses: {name}(2)")
    known = nearest(name, [*CONSTANTS, *FUNCTIONS])
    raise ArithmeticFault(f"{name!r} is no number and no function; known: {', '.join(known)}")


def factorial(number: Number) -> Number:
    n = _whole(number, "factorial")
    if not 0 <= n <= MAX_FACTORIAL:
        raise ArithmeticFault(f"factorial takes a whole number from 0 to {MAX_FACTORIAL}")
    return Number(Fraction(math.factorial(n)), number.exact)


def _round(number: Number, places: Number | None = None) -> Number:
    """Halves away from zero, as people round by hand."""
    digits = 0 if places is None else _whole(places, "round")
    if abs(digits) > 1000:
        raise ArithmeticFault("round takes at most 1000 places")
    scale = Fraction(10) ** digits
    whole = math.floor(abs(number.value) * scale + Fraction(1, 2))
    return Number((-1 if number.value < 0 else 1) * Fraction(whole) / scale, number.exact)


def _log(number: Number, base: Number | None = None) -> Number:
    """Base 10 unless another is given, as on a calculator."""
    if base is None:
        return of_float(math.log10(to_float(number)))
    below = math.log(to_float(base))
    if below == 0:
        raise ArithmeticFault("there is no logarithm to base 1")
    return of_float(math.log(to_float(number)) / below)


def _cube_root(number: Number) -> Number:
    value = to_float(number)
    near = Number(Fraction(round(math.copysign(abs(value) ** (1 / 3), value))), number.exact)
    return near if near.value**3 == number.value else of_float(math.copysign(abs(value) ** (1 / 3), value))


def _float(work: Callable[[float], float]) -> Function:
    return Function(lambda number: of_float(work(to_float(number))))


def _exact(work: Callable[[Fraction], Fraction | int]) -> Function:
    return Function(lambda number: Number(Fraction(work(number.value)), number.exact))


def _chosen(work: Callable[..., Number]) -> Function:
    return Function(lambda *numbers: work(numbers, key=lambda number: number.value), 1, 1000)


def _integers(work: Callable[..., int], name: str) -> Function:
    return Function(lambda *numbers: Number(Fraction(work(*(_whole(n, name) for n in numbers)))), 1, 1000)


def _whole(number: Number, name: str) -> int:
    if number.value.denominator != 1:
        raise ArithmeticFault(f"{name} takes whole numbers")
    return number.value.numerator


FUNCTIONS: Mapping[str, Function] = {
    "sqrt": Function(root),
    "cbrt": Function(_cube_root),
    "abs": _exact(abs),
    "round": Function(_round, 1, 2),
    "floor": _exact(math.floor),
    "ceil": _exact(math.ceil),
    "min": _chosen(min),
    "max": _chosen(max),
    "gcd": _integers(math.gcd, "gcd"),
    "lcm": _integers(math.lcm, "lcm"),
    "factorial": Function(factorial),
    "exp": _float(math.exp),
    "ln": _float(math.log),
    "log": Function(_log, 1, 2),
    "log10": _float(math.log10),
    "log2": _float(math.log2),
    "sin": _float(math.sin),
    "cos": _float(math.cos),
    "tan": _float(math.tan),
    "asin": _float(math.asin),
    "acos": _float(math.acos),
    "atan": _float(math.atan),
    "degrees": _float(math.degrees),
    "radians": _float(math.radians),
}
CONSTANTS: Mapping[str, Number] = {"pi": of_float(math.pi), "e": of_float(math.e)}
