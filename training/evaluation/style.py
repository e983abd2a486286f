"""How every plot looks: colour-blind safe, readable at 100 %, the same bytes for the same numbers."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.style import context

# Okabe and Ito, "Color Universal Design" (2008), darkest contrast first; black is for totals.
BLACK, BLUE, ORANGE, GREEN = "#000000", "#0072B2", "#E69F00", "#009E73"
VERMILLION, PURPLE, SKY, GREY = "#D55E00", "#CC79A7", "#56B4E9", "#767676"
CYCLE = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY)
DASHES: tuple[Any, ...] = ("-", "--", "-.", ":", (0, (6, 1, 1, 1, 1, 1)), (0, (1, 1)))  # told apart without colour too
BY_LABEL = {"ALLOW": BLUE, "ESCALATE": ORANGE, "REFUSE": VERMILLION, "UNSAFE": PURPLE}
DPI = 160
WIDTH = 7.2  # inches: 1152 pixels, shown at about 720

_JAPANESE = ("Noto Sans CJK JP", "Noto Sans JP", "IPAexGothic", "IPAGothic", "Hiragino Sans", "Yu Gothic", "Meiryo")


@contextmanager
def ours() -> Iterator[None]:
    """Draw and save inside this: settings of the user's own matplotlibrc do not reach in."""
    with context(["default", _settings()]):
        yield


def new(rows: int = 1, columns: int = 1, *, width: float = WIDTH, height: float, **options: Any) -> tuple[Figure, Any]:
    """An empty figure of `width` x `height` inches and its axes: (rows, columns), always two-dimensional."""
    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False, **options)


def png(figure: Figure) -> bytes:
    """The figure as PNG, without anything in it that differs between two runs."""
    with ours(), io.BytesIO() as out:
        figure.savefig(out, format="png", dpi=DPI, metadata={"Software": None})
        return out.getvalue()


def percent(axes: Axes, which: str = "both") -> None:
    """Axis numbers 0..1 as 0 % to 100 %."""
    for axis, name in ((axes.xaxis, "x"), (axes.yaxis, "y")):
        if which in ("both", name):
            axis.set_major_formatter(lambda value, _: f"{value * 100:.3g} %")


def legend(axes: Axes, **options: Any) -> None:
    """A legend, where anything has a label."""
    if axes.get_legend_handles_labels()[0]:
        axes.legend(**options)


def printable(text: str) -> str:
    """Text from a log as a label: what our fonts cannot draw is "?", and $ opens no formula."""
    fonts = [font_manager.get_font(font_manager.findfont(name)) for name in _families()]
    drawn = (c if c.isprintable() and any(font.get_char_index(ord(c)) for font in fonts) else "?" for c in text)
    return "".join(drawn).replace("$", r"\$")


def _families() -> list[str]:
    """The font that matplotlib brings along and, where the machine has one, a font with Japanese glyphs."""
    known = {entry.name for entry in font_manager.fontManager.ttflist}
    return ["DejaVu Sans", *(name for name in _JAPANESE if name in known)][:2]


def _settings() -> dict[str, Any]:
    return {
        "font.family": _families(),
        "font.size": 10,
        "axes.titlesize": 12,  # not bold: few Japanese fonts have it, and matplotlib logs each time
        "axes.titlelocation": "left",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.axisbelow": True,
        "grid.color": "#dddddd",
        "grid.linewidth": 0.7,
        "lines.linewidth": 1.8,
        "legend.frameon": False,
        "legend.fontsize": 9,
    }
