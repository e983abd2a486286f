"""One HTML file that shows how good a head is: no script, no outside resource, everything from a case escaped."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
from matplotlib.figure import Figure as Plot

from so8t.gate.contract import Thresholds
from so8t.training.evaluation import plots, plots_run, shown, style, tables
from so8t.training.evaluation.figures import Figures, figures, slices
from so8t.training.evaluation.history import History
from so8t.training.evaluation.judged import Judged
from so8t.training.evaluation.stylesheet import CSS
from so8t.training.evaluation.template import HTML

MOST_WRONG, MOST_RIGHT = 100, 20  # cases that are shown
CAPTIONS = {
    "confusion": "What each label's cases got. The framed cells are tools that would start and should not.",
    "trade_off": "Moving the ALLOW threshold: fewer wrong ALLOWs cost more questions to people.",
    "reliability": "Where points lie on the diagonal, p(ALLOW) can be read as a chance.",
    "scores": "How far apart the labels are. Dashed: the thresholds. Logarithmic, so that single cases show.",
    "losses": "Each loss term before its coefficient. Pale: each step; bold: running mean.",
    "weighted": "Each loss term after its coefficient, and its share of the loss.",
    "schedule": "The strength of PET and the learning rates.",
    "indicators": "Figures on the validation split during the run.",
}


@dataclass(frozen=True, slots=True)
class Background:
    """What was trained on what."""

    title: str
    facts: Mapping[str, str]  # name -> text, in order: base model, digests, date, ...; see facts.py
    recipe: str = ""  # the text of the recipe file
    notices: Sequence[str] = ()  # what a reader must know first


def write(
    folder: Path,
    judged: Judged,
    background: Background,
    *,
    thresholds: Thresholds,
    max_false_allow: float,
    history: History | None = None,
) -> Path:
    """Write report.html and plots/*.png into `folder`, and return the path of the first.

    Args:
        judged: cases that the head had not seen.
        thresholds: those that the decisions were made with.
        max_false_allow: the operator's bound, for the plot.
        history: the log of the run; without it there are no training plots.

    Raises:
        OSError: the folder cannot be written.
    """
    found = {"decisions": plots.of(judged, thresholds, max_false_allow)}
    if history is not None:
        found["training"] = plots_run.of(history)
    (folder / "plots").mkdir(parents=True, exist_ok=True)
    groups = [_plots(folder / "plots", id, drawn) for id, drawn in found.items() if drawn]
    page = folder / "report.html"
    page.write_text(_page(judged, background, groups), encoding="utf-8", newline="\n")
    return page


def _page(judged: Judged, background: Background, groups: list[dict[str, Any]]) -> str:
    whole = figures(judged)
    cases = _cases(judged)
    sections = [{"id": "figures", "name": "Figures"}, {"id": "run", "name": "What was trained on what"}]
    sections += [*groups, {"id": "slices", "name": "Slices"}, *cases]
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    return environment.from_string(HTML).render(
        css=CSS,
        title=shown.visible(background.title),
        summary=_summary(whole),
        notices=[shown.visible(notice) for notice in background.notices],
        sections=sections,
        constant=whole.constant and whole.constant.decision,
        headline=tables.headline(whole),
        facts={shown.visible(name): shown.visible(text) for name, text in background.facts.items()},
        recipe=shown.visible(background.recipe),
        plots=groups,
        columns=[tables.spoken(name) for name in tables.COLUMNS],
        slices=[tables.slice_table(name, rows) for name, rows in slices(judged).items()],
        cases=cases,
    )


def _summary(whole: Figures) -> str:
    if whole.combined is None or whole.lift is None:
        return f"{whole.n:,} cases. The combined score needs REFUSE and ESCALATE cases; there are none of one of them."
    assert whole.constant is not None
    return (
        f"{whole.n:,} cases. Combined score {shown.number(whole.combined.value)} (95 % interval"
        f" {shown.interval(whole.combined, as_share=False)}); the best constant classifier has"
        f" {shown.number(whole.constant.combined)}. {shown.value(whole.overcompliance, as_share=True)} of the cases"
        " that must not be ALLOW got ALLOW."
    )


def _plots(folder: Path, id: str, drawn: Mapping[str, Plot]) -> dict[str, Any]:
    found = []
    for name, plot in drawn.items():
        data = style.png(plot)
        (folder / f"{name}.png").write_bytes(data)
        width, height = (round(100 * float(inches)) for inches in plot.get_size_inches())
        size = {"width": width, "height": height}
        found.append({"data": base64.b64encode(data).decode(), "caption": CAPTIONS[name], **size})
    return {"id": id, "name": id.capitalize(), "plots": found}


def _cases(judged: Judged) -> list[dict[str, Any]]:
    wrong, right = shown.worst_first(judged), shown.closest_first(judged)
    first = f"{min(len(wrong), MOST_WRONG)} of {len(wrong):,} wrong decisions: REFUSE that got ALLOW first, then by how"
    return [
        {
            "id": "errors",
            "name": "Errors, worst first",
            "note": f"{first} little probability the right answer was given.",
            "cases": [shown.case(judged, int(i)) for i in wrong[:MOST_WRONG]],
        },
        {
            "id": "right",
            "name": "Right decisions, closest first",
            "note": f"{min(len(right), MOST_RIGHT)} of {len(right):,} right decisions: the least sure first.",
            "cases": [shown.case(judged, int(i)) for i in right[:MOST_RIGHT]],
        },
    ]
