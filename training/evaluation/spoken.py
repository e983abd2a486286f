"""The figures as a table for the terminal."""

from __future__ import annotations

from so8t.training.evaluation import tables
from so8t.training.evaluation.figures import Figures


def spoken(whole: Figures) -> str:
    """One line a figure: its value, its 95 % interval, and what the best constant classifier has."""
    rows = [(row["name"], row["value"], row["interval"], row["constant"]) for row in tables.headline(whole)]
    constant = f"always {whole.constant.decision}" if whole.constant else ""
    head = (f"{whole.n:,} cases", "", "95 % interval", constant)
    widths = [max(len(row[n]) for row in (head, *rows)) for n in range(4)]
    return "\n".join(
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in (head, *rows)
    )
