"""Plots of judged cases. Each returns a figure; style.png makes its bytes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import NullLocator
from numpy.typing import NDArray

from so8t.gate.contract import Thresholds
from so8t.training.evaluation import style
from so8t.training.evaluation.judged import ALLOW, LABELS, REFUSE, Judged
from so8t.training.evaluation.reliability import reliability
from so8t.training.evaluation.shares import confusion
from so8t.training.evaluation.trade_off import TradeOff, trade_off


def of(judged: Judged, thresholds: Thresholds, max_false_allow: float) -> dict[str, Figure]:
    """Every plot that these cases allow, by file name. `thresholds`: those that the decisions were made with."""
    found: dict[str, Figure] = {}
    if len(judged):
        found["confusion"] = confusion_matrix(judged)
        found["scores"] = scores(judged, thresholds)
        found["reliability"] = reliability_diagram(judged)
        curve = trade_off(judged.probabilities, judged.target)
        if curve is not None:
            found["trade_off"] = threshold_trade_off(curve, thresholds.allow, max_false_allow)
    return found


def confusion_matrix(judged: Judged) -> Figure:
    """Counts and shares of each row; what must never happen is framed."""
    table = confusion(judged.target, judged.decisions)  # (4, 3)
    rows = [i for i in range(4) if table[i].any()]
    with style.ours():
        figure, axes = style.new(width=5.4, height=1.5 + 0.72 * len(rows))
        ax = axes[0, 0]
        shares = table[rows] / table[rows].sum(1, keepdims=True)
        ax.imshow(shares, cmap="Blues", vmin=0, vmax=1.25, aspect="auto")
        for y, row in enumerate(rows):
            for x in range(3):
                colour = "white" if shares[y, x] > 0.8 else "black"
                text = f"{table[row, x]:,}\n{shares[y, x] * 100:.0f} %"
                ax.text(x, y, text, ha="center", va="center", color=colour)
            if row != ALLOW:
                corner = (ALLOW - 0.48, y - 0.48)
                ax.add_patch(Rectangle(corner, 0.96, 0.96, fill=False, edgecolor=style.VERMILLION, linewidth=2.5))
        ax.set_xticks(range(3), LABELS[:3])
        ax.set_yticks(range(len(rows)), [LABELS[row] for row in rows])
        ax.set(xlabel="decision", ylabel="label of the case", title="Decisions by label (framed: overcompliance)")
        ax.grid(visible=False)
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)
    return figure


def reliability_diagram(judged: Judged) -> Figure:
    """Stated p(ALLOW) against the share of ALLOW cases, with Wilson intervals, over the number of cases in each bin."""
    found = reliability(judged.probabilities[:, ALLOW], judged.target == ALLOW)
    stated = np.array([b.stated for b in found])
    share = np.array([b.found for b in found])
    ends = np.array([b.interval for b in found])  # (bins, 2)
    with style.ours():
        figure, axes = style.new(2, width=5.4, height=5.6, sharex=True, height_ratios=(3, 1))
        top, below = axes[:, 0]
        top.plot([0, 1], [0, 1], color=style.GREY, linestyle="--", linewidth=1.2, label="perfectly calibrated")
        gaps = np.abs(ends.T - share)
        top.errorbar(
            stated, share, gaps, fmt="o-", color=style.BLUE, capsize=3, markersize=5, label="bins, with 95 % interval"
        )
        top.set(
            ylabel="share of ALLOW cases", title="Is p(ALLOW) what it says?", ylim=(-0.03, 1.03), xlim=(-0.03, 1.03)
        )
        style.legend(top, loc="upper left")
        below.hist(judged.probabilities[:, ALLOW], bins=np.linspace(0, 1, 41).tolist(), color=style.SKY)
        below.set(xlabel="p(ALLOW) that the head states", ylabel="cases")
        style.percent(top)
    return figure


def threshold_trade_off(curve: TradeOff, allow: float, max_false_allow: float | None = None) -> Figure:
    """Overcompliance against over-refusal for every ALLOW threshold, with the chosen one."""
    chosen = min(int(np.searchsorted(curve.allow, allow)), len(curve.allow) - 1)
    x, y = curve.overcompliance[chosen], curve.over_refusal[chosen]
    with style.ours():
        figure, axes = style.new(width=5.8, height=4.2)
        ax = axes[0, 0]
        ax.step(curve.overcompliance, curve.over_refusal, where="post", color=style.BLUE, label="all ALLOW thresholds")
        if max_false_allow is not None:
            bound = f"bound: {max_false_allow * 100:.3g} %"
            ax.axvline(max_false_allow, color=style.GREY, linestyle="--", linewidth=1.2, label=bound)
        name = "never ALLOW" if allow > 1 else f"p(ALLOW) ≥ {allow:.3f}"
        label = f"chosen: {name}\n({x * 100:.1f} % against {y * 100:.1f} %)"
        ax.plot([x], [y], "o", color=style.VERMILLION, markersize=9, label=label, clip_on=False, zorder=3)
        ax.set(
            xlabel="overcompliance (ALLOW among ESCALATE, REFUSE, UNSAFE)",
            ylabel="over-refusal (not ALLOW among ALLOW)",
            title="What the ALLOW threshold trades",
        )
        ax.set_ylim(-0.02, 1.02)
        ax.set_xlim(left=-0.01 * max(float(curve.overcompliance.max()), 0.05))
        style.percent(ax)
        style.legend(ax, loc="upper right", frameon=True, framealpha=1, edgecolor="white")
    return figure


def scores(judged: Judged, thresholds: Thresholds) -> Figure:
    """Histograms of p(ALLOW) and p(REFUSE), one row a label, with the thresholds. Log scale: one bad case must show."""
    labels = [i for i in range(4) if (judged.target == i).any()]
    edges = np.linspace(0, 1, 26)
    with style.ours():
        figure, axes = style.new(len(labels), 2, height=1.1 + 1.15 * len(labels), sharex=True)
        for row, label in enumerate(labels):
            for column, (which, threshold) in enumerate(((ALLOW, thresholds.allow), (REFUSE, thresholds.refuse))):
                ax, name = axes[row, column], LABELS[label]
                found = judged.probabilities[judged.target == label, which]
                ax.hist(found, edges.tolist(), color=style.BY_LABEL[name], edgecolor="white", linewidth=0.5)
                if threshold <= 1:
                    ax.axvline(threshold, color="black", linestyle="--", linewidth=1.3)
        _label_scores(axes, [LABELS[i] for i in labels], thresholds)
    return figure


def _label_scores(axes: NDArray[Any], labels: list[str], thresholds: Thresholds) -> None:
    for column, (name, value) in enumerate((("p(ALLOW)", thresholds.allow), ("p(REFUSE)", thresholds.refuse))):
        said = f"threshold {value:.3f}" if value <= 1 else "never reached"
        axes[0, column].set_title(f"{name}, {said}")
        axes[-1, column].set_xlabel(name)
        style.percent(axes[-1, column], "x")
        axes[-1, column].set(xlim=(0, 1), xticks=[0, 0.25, 0.5, 0.75, 1])
    for row, label in enumerate(labels):
        axes[row, 0].set_ylabel(f"{label}\ncases (log)")
        for ax in axes[row]:
            ax.set(yscale="log")
            ax.set_ylim(0.7, max(ax.get_ylim()[1], 12))
            ax.yaxis.set_major_formatter("{x:,.0f}")
            ax.yaxis.set_minor_locator(NullLocator())


def pngs(figures: Mapping[str, Figure]) -> dict[str, bytes]:
    """The bytes of each."""
    return {name: style.png(figure) for name, figure in figures.items()}
