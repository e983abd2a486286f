"""The figures as tables for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from prompt_toolkit.utils import get_cwidth

from so8t.training.evaluation import tables
from so8t.training.evaluation.figures import Figures


def spoken(whole: Figures) -> str:
    """One line a figure: its value, its 95 % interval, and what the best constant classifier has."""
    rows = [(row["name"], row["value"], row["interval"], row["constant"]) for row in tables.headline(whole)]
    constant = f"always {whole.constant.decision}" if whole.constant else ""
    return _table([(f"{whole.n:,} cases", "", "95 % interval", constant), *rows])


def spoken_slices(found: Mapping[str, Mapping[str, Figures]]) -> str:
    """A table for each dimension: category, language, difficulty, source, kind; the values without intervals."""
    texts = []
    for dimension, slices in found.items():
        head = (dimension, "cases", *map(tables.spoken, tables.COLUMNS))
        rows = [
            (row["name"], row["n"], *(cell["value"] for cell in row["cells"]))
            for row in tables.slice_table(dimension, slices)["rows"]
        ]
        texts.append(_table([head, *rows]))
    return "\n\n".join(texts)


def _table(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(get_cwidth(row[n]) for row in rows) for n in range(len(rows[0]))]
    lines = (
        "  ".join(text + " " * (width - get_cwidth(text)) for text, width in zip(row, widths, strict=True))
        for row in rows
    )
    return "\n".join(line.rstrip() for line in lines)
