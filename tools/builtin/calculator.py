from __future__ import annotations

from typing import Annotated

from pydantic import Field

from so8t.tools.arithmetic import calculate
from so8t.tools.decorator import tool


@tool(effects={"read"}, timeout=10)
def calculator(
    expression: Annotated[str, Field(description="For example 12*(3+4), 17.5 % of 2480, sqrt(2), 7 mod 3")],
) -> str:
    """Compute an arithmetic expression exactly. log is to base 10, ln is natural; angles are in radians."""
    return calculate(expression)
