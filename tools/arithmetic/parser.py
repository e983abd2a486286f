"""Reads an expression by operator precedence and computes it on the way. Nothing is ever handed to eval()."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction

from so8t.tools.arithmetic import functions, number
from so8t.tools.arithmetic.number import ArithmeticFault, Number
from so8t.tools.arithmetic.tokens import Token, tokens

MAX_DEPTH = 100
_UNARY = 40  # binds looser than a power: -2**2 is -4
_POSTFIX = 60

Operation = Callable[[Number, Number], Number]
# sign -> (how tightly it binds, what it does). `% of` binds tighter than / so that 100 / 5 % of 20 is 100 / 1.
_BINARY: Mapping[str, tuple[int, Operation]] = {
    "+": (10, number.add),
    "-": (10, number.subtract),
    "*": (20, number.multiply),
    "x": (20, number.multiply),
    "/": (20, number.divide),
    "//": (20, number.floor_divide),
    "mod": (20, number.remainder),
    "%": (20, number.remainder),
    "% of": (30, number.percent_of),
    "**": (50, number.power),
}


def evaluate(expression: str) -> Number:
    """The value of `expression`. Raises ArithmeticFault."""
    parser = _Parser(tokens(expression))
    value = parser.expression(0)
    if parser.now.kind != "end":
        raise ArithmeticFault(f"did not expect {parser.now.text!r} there")
    return value


class _Parser:
    def __init__(self, found: list[Token]) -> None:
        self._tokens = found
        self._index = 0
        self._depth = 0

    @property
    def now(self) -> Token:
        return self._tokens[self._index]

    def expression(self, floor: int) -> Number:
        """An expression of operators that bind tighter than `floor`."""
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise ArithmeticFault(f"nested deeper than {MAX_DEPTH} levels")
        left = self._operand()
        while (operator := self._operator()) and operator[1] > floor:
            left = self._apply(operator[0], operator[1], left)
        self._depth -= 1
        return left

    def _take(self) -> Token:
        token = self.now
        if token.kind == "end":
            raise ArithmeticFault("the expression breaks off" if self._index else "the expression is empty")
        self._index += 1
        return token

    def _operand(self) -> Number:
        token = self._take()
        if token.kind == "number":
            return Number(token.value)
        if token.text in ("+", "-"):
            value = self.expression(_UNARY)
            return number.negate(value) if token.text == "-" else value
        if token.text == "(":
            value = self.expression(0)
            self._expect(")")
            return value
        if token.kind == "name" and token.text not in _BINARY and token.text != "of":
            return self._named(token.text)
        raise ArithmeticFault(f"did not expect {token.text!r} there: a number is missing")

    def _named(self, name: str) -> Number:
        if self.now.text == "(":
            return functions.call(name, self._arguments())
        if name == "sqrt" and self.now.kind == "number":  # √2
            return functions.call(name, [self.expression(_POSTFIX)])
        return functions.constant(name)

    def _arguments(self) -> list[Number]:
        self._expect("(")
        found = [] if self.now.text == ")" else [self.expression(0)]
        while self.now.text == ",":
            self._take()
            found.append(self.expression(0))
        self._expect(")")
        return found

    def _expect(self, sign: str) -> None:
        if self.now.text != sign:
            raise ArithmeticFault(f"{sign!r} is missing before {self.now.text!r}")
        self._take()

    def _operator(self) -> tuple[str, int] | None:
        """The operator that comes next, and how tightly it binds; nothing is taken."""
        text = self.now.text
        if text == "!":
            return "!", _POSTFIX
        if text == "%":
            after = self._tokens[self._index + 1]
            if after.text == "of":
                return "% of", _BINARY["% of"][0]
            if after.kind == "number" or after.text == "(" or (after.kind == "name" and after.text not in _BINARY):
                return "%", _BINARY["%"][0]  # 7 % 3: the remainder
            return "percent", _POSTFIX
        return (text, _BINARY[text][0]) if text in _BINARY else None

    def _apply(self, operator: str, binding: int, left: Number) -> Number:
        self._index += 2 if operator == "% of" else 1
        if operator == "!":
            return functions.factorial(left)
        if operator == "percent":
            return number.divide(left, Number(Fraction(100)))
        # a power binds to the right (2**3**2 is 2**9), and its exponent may carry a sign
        right = self.expression(binding - 1 if operator == "**" else binding)
        return _BINARY[operator][1](left, right)
