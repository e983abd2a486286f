"""How long to wait before a process that keeps dying is started again."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """The first restart is immediate, the second waits `first` seconds, each later one twice as long as before."""

    first: float = 1.0
    longest: float = 60.0

    def delay(self, deaths: int) -> float:
        """Seconds to wait after this many deaths in a row."""
        if deaths < 2:
            return 0.0
        return min(self.longest, self.first * 2.0 ** min(deaths - 2, 60))
