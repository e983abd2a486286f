"""What the operator chooses about the gate, beside the rules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from so8t.gate import scripts
from so8t.gate.contract import Decision
from so8t.gate.names import unknown

_CHOICES = {"on_fault": ("escalate", "refuse"), "turns": ("off", "flag", "enforce")}


@dataclass(frozen=True, slots=True)
class GateSettings:
    """`turns`: "off" does not judge the user's turns, "flag" lowers their REFUSE to ESCALATE, "enforce" keeps it."""

    on_fault: Literal["escalate", "refuse"] = "escalate"  # where a part of the gate fails
    turns: Literal["off", "flag", "enforce"] = "enforce"
    scripts: tuple[str, ...] = ("Latin",)  # that the backbone reads, as Unicode names them
    deadline_seconds: float = 10.0  # for one verdict

    def __post_init__(self) -> None:
        """Raises ValueError, which lists what is valid."""
        for name, valid in _CHOICES.items():
            if getattr(self, name) not in valid:
                raise ValueError(unknown(name, str(getattr(self, name)), valid))
        scripts.check(self.scripts)
        if not 0 < self.deadline_seconds < float("inf"):
            raise ValueError("deadline_seconds must be above 0")

    @property
    def fault(self) -> Decision:
        """The decision where a part of the gate failed."""
        return Decision[self.on_fault.upper()]
