"""Exact arithmetic on what people type: 17.5 % of 2480, 3×(4+5), sqrt(2)."""

from so8t.tools.arithmetic.number import ArithmeticFault
from so8t.tools.arithmetic.parser import evaluate
from so8t.tools.arithmetic.writing import write

__all__ = ["ArithmeticFault", "calculate", "evaluate", "write"]


def calculate(expression: str) -> str:
    """The value of `expression` in plain decimal notation. Raises ArithmeticFault."""
    return write(evaluate(expression))
