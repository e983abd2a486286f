"""Cases and figures as the report shows them: ordered, formatted, with nothing invisible left in their text."""

from __future__ import annotations

from typing import Any

import numpy as np
import regex
from numpy.typing import NDArray

from so8t.training.evaluation.figures import Figure
from so8t.training.evaluation.judged import ALLOW, LABELS, REFUSE, About, Judged

NONE = "–"
_HIDDEN = regex.compile(
    r"[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u2800--\n\t]", regex.V1
)


def visible(text: str) -> str:
    """Text in which control, bidirectional, invisible and broken characters stand as their code points."""
    return str(_HIDDEN.sub(lambda found: f"⟨U+{ord(found[0]):04X}⟩", text))


def worst_first(judged: Judged) -> NDArray[np.int64]:
    """Indices of the wrong cases: REFUSE that got ALLOW before all others, then by how little the label was given."""
    wrong = np.flatnonzero(~judged.right)
    worst = (judged.target == REFUSE) & (judged.decisions == ALLOW)
    return wrong[np.lexsort((given(judged)[wrong], ~worst[wrong]))]


def closest_first(judged: Judged) -> NDArray[np.int64]:
    """Indices of the right cases, the least sure first."""
    right = np.flatnonzero(judged.right)
    return right[np.argsort(given(judged)[right], kind="stable")]


def given(judged: Judged) -> NDArray[np.float64]:
    """(N,) the probability of each case's label; of UNSAFE: of anything but ALLOW."""
    table = np.column_stack([judged.probabilities, judged.probabilities[:, 1:].sum(-1)])  # (N, 4)
    picked: NDArray[np.float64] = table[np.arange(len(judged)), judged.target]
    return picked


def case(judged: Judged, index: int) -> dict[str, Any]:
    """One case for the template."""
    about = judged.about[index]
    named = zip(LABELS, judged.probabilities[index].tolist(), strict=False)
    return {
        "id": visible(about.id),
        "label": LABELS[judged.target[index]],
        "decision": LABELS[judged.decisions[index]],
        "about": visible(_about(about)),
        "probabilities": [{"name": n, "percent": f"{100 * p:.3f}", "shown": f"{p:.3f}"} for n, p in named],
        "language": about.language,
        "text": visible(about.text.replace(" ¶ ", "\n¶ ")),
        "rationale": visible(about.rationale),
    }


def value(figure: Figure | None, *, as_share: bool) -> str:
    """The value of a figure; "–" where there is none."""
    known = None if figure is None else figure.value
    return share(known) if as_share else number(known)


def share(value: float | None) -> str:
    """0.125 -> 12.5 %."""
    return NONE if value is None else f"{100 * value:.1f} %"


def number(value: float | None) -> str:
    """0.125 -> 0.125."""
    return NONE if value is None else f"{value:.3f}"


def interval(figure: Figure | None, *, as_share: bool) -> str:
    """The interval of a figure in the same unit as its value."""
    if figure is None or figure.interval is None:
        return NONE
    low, high = figure.interval
    return f"{100 * low:.1f} – {100 * high:.1f} %" if as_share else f"{low:.3f} – {high:.3f}"


def _about(about: About) -> str:
    parts = (about.category, about.language, about.difficulty, about.source, about.kind)
    return " · ".join([part for part in parts if part] + ([f"pair {about.pair}"] if about.pair else []))
