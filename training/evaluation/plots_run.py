"""Plots of a training run's log: loss terms, their shares, lambda and learning rates, indicators."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from so8t.training.evaluation import style
from so8t.training.evaluation.history import History, Series

COLUMNS = 3
SMOOTH_FROM = 60  # points; a shorter series is shown as it is
UNITS = {
    "total": "weighted sum",
    "sft": "nats a token",
    "safety": "nats a case",
    "penalty": "p(ALLOW) on REFUSE",
    "escalate": "p(ESCALATE)",
    "pet": "relative curvature",
}


def of(history: History) -> dict[str, Figure]:
    """Every plot that the log has data for, by file name."""
    found: dict[str, Figure] = {}
    if history.under("loss/"):
        found["losses"] = losses(history)
    if history.under("weighted/") or history.under("share/"):
        found["weighted"] = _panels(
            ("What each term adds to the loss", "loss", history.under("weighted/"), ""),
            (
                "Share of each term (one near 100 % for long stops the run)",
                "share of the loss",
                history.under("share/"),
                "%",
            ),
        )
    pet = {"lambda_pet": history.series["lambda_pet"]} if "lambda_pet" in history.series else {}
    if pet or history.under("lr/"):
        found["schedule"] = _panels(
            ("Strength of PET", "lambda (no unit)", pet, "exact"),
            ("Learning rates", "rate a step", history.under("lr/"), "exact log"),
        )
    if history.under("eval/"):
        found["indicators"] = _indicators(history.under("eval/"))
    return found


def losses(history: History) -> Figure:
    """Each term as it is, before its coefficient, on an axis of its own: their sizes differ by orders."""
    terms = history.under("loss/")
    rows = -(-len(terms) // COLUMNS)
    with style.ours():
        figure, axes = style.new(rows, COLUMNS, height=0.6 + 1.9 * rows)
        for ax in axes.flat[len(terms) :]:
            ax.set_axis_off()
        for (name, series), ax in zip(terms.items(), axes.flat, strict=False):
            _line(ax, series, color=style.BLACK if name == "total" else style.BLUE)
            ax.set(title=style.printable(name), ylabel=UNITS.get(name, "loss"))
            ax.ticklabel_format(axis="y", scilimits=(-3, 4))
        for ax in axes[-1]:
            ax.set_xlabel("optimiser step")
    return figure


def _indicators(found: Mapping[str, Series]) -> Figure:
    """Shares on one axis, losses and the like on another."""
    share = {name: s for name, s in found.items() if "loss" not in name and np.abs(s.values).max() <= 1}
    others = {name: s for name, s in found.items() if name not in share}
    return _panels(
        ("Indicators on the validation split", "share", share, "%"), ("Losses and others", "nats a case", others, "")
    )


def _panels(*panels: tuple[str, str, Mapping[str, Series], str]) -> Figure:
    """One axis for each (title, unit, series, scale) that has a series. Scale: "%", "exact" (not smoothed), "log"."""
    panels = tuple(panel for panel in panels if panel[2])
    with style.ours():
        figure, axes = style.new(len(panels), height=0.4 + 2.6 * len(panels))
        for ax, (title, unit, found, scale) in zip(axes[:, 0], panels, strict=True):
            for (name, series), look in zip(found.items(), _looks(found), strict=True):
                _line(ax, series, exact="exact" in scale, label=style.printable(name), **look)
            ax.set(title=title, ylabel=unit, xlabel="optimiser step")
            if scale == "%":
                style.percent(ax, "y")
                ax.set_ylim(min(0.0, ax.get_ylim()[0]), 1.02)
            if "log" in scale and all((s.values > 0).all() for s in found.values()):
                ax.set_yscale("log")
            style.legend(ax, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def _looks(found: Mapping[str, Series]) -> Iterator[dict[str, Any]]:
    """A colour and a dash for each; the total is black."""
    number = 0
    for name in found:
        if name == "total":
            yield {"color": style.BLACK, "linewidth": 2.4}
            continue
        colour = style.CYCLE[number % len(style.CYCLE)]
        yield {"color": colour, "linestyle": style.DASHES[(number + number // len(style.CYCLE)) % len(style.DASHES)]}
        number += 1


def _line(ax: Axes, series: Series, *, exact: bool = False, **look: Any) -> None:
    """The series; a long one pale, with its running mean over it. One or few points get a mark."""
    marker = "o" if len(series.steps) <= 12 else None
    if exact or len(series.steps) < SMOOTH_FROM:
        ax.plot(series.steps, series.values, marker=marker, markersize=4, **look)
        return
    ax.plot(series.steps, series.values, color=look["color"], alpha=0.25, linewidth=0.8)
    ax.plot(series.steps, _running_mean(series.values), **look)


def _running_mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """(K,) -> (K,): the mean over a window of a thirtieth of the run; at the ends over what there is of it."""
    window = max(3, len(values) // 30) | 1
    kernel = np.ones(window)
    sums = np.convolve(values, kernel, mode="same")
    found: NDArray[np.float64] = sums / np.convolve(np.ones(len(values)), kernel, mode="same")
    return found
