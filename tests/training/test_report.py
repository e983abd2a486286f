"""The report: nothing of a case becomes markup, nothing comes from outside, the worst stands first, any data draws."""

from __future__ import annotations

import json
import re
import struct
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from so8t.gate.contract import Thresholds
from so8t.training.calibration import calibrate, judge
from so8t.training.evaluation import facts, history, plots, plots_run, shown, style
from so8t.training.evaluation.judged import About, Judged
from so8t.training.evaluation.report import Background, write

THRESHOLDS = Thresholds(0.6, 0.5)
ATTACKS = (
    "<script>alert(1)</script>",
    "</pre></article><img src=x onerror=alert(1)>",
    "\"><svg/onload=alert(1)>'",
    "</title></style><style>*{display:none}</style>",
    "{{ 7 * 7 }}{% for x in y %}",
    "<!-- &lt;b&gt; -->",
)
FORBIDDEN = {"script", "link", "iframe", "object", "embed", "base", "svg", "form", "input", "button", "video", "audio"}


class Page(HTMLParser):
    """Tags, attributes and text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def cases(n: int, seed: int = 0, **about: Any) -> Judged:
    dice = np.random.default_rng(seed)
    targets = dice.choice(4, n, p=[0.4, 0.3, 0.25, 0.05])
    logits = dice.normal(size=(n, 3)) * 1.5
    logits[np.arange(n), np.minimum(targets, 2)] += 1.5
    return judge(logits, targets, [About(f"case-{i}", **about) for i in range(n)], 1.0, THRESHOLDS)


def log(file: Path, steps: int) -> Path:
    with file.open("w", encoding="utf-8") as out:
        for step in range(1, steps + 1):
            row = {"step": step, "epoch": step / 10, "lambda_pet": 0.1, "lr/body": 1e-4, "lr/head": 1e-5}
            row |= {f"{kind}/{term}": 1 / step for kind in ("loss", "weighted", "share") for term in ("sft", "pet")}
            row |= {"weighted/escalate": -1.0, "loss/total": 2.0, "eval/refuse_recall": 0.5, "eval/loss": 1.2}
            out.write(json.dumps(row) + "\n")
    return file


def page_of(folder: Path, judged: Judged, background: Background | None = None, **more: Any) -> str:
    background = background or Background("a title", {"date": "2026-11-24"})
    return write(folder, judged, background, thresholds=THRESHOLDS, max_false_allow=0.05, **more).read_text("utf-8")


def everything(folder: Path) -> str:
    """A page with all that a page can have."""
    return page_of(folder, cases(60), history=history.read(log(folder / "log.jsonl", 80)))


@pytest.fixture(scope="module")
def folder_of_full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("full")
    everything(folder)
    return folder


@pytest.fixture
def full(folder_of_full: Path) -> str:
    return (folder_of_full / "report.html").read_text("utf-8")


def test_no_text_of_a_case_or_of_the_run_becomes_markup(tmp_path: Path) -> None:
    attack = " ".join(ATTACKS)
    told = ("category", "language", "difficulty", "source", "pair", "text", "rationale")
    pages = []
    for text in (attack, "x"):
        base = cases(30, **dict.fromkeys(told, text))
        about = tuple(About(text, **dict.fromkeys(told, text)) for _ in range(30))
        judged = Judged(base.probabilities, base.target, base.decisions, about)
        pages.append(Page(page_of(tmp_path, judged, Background(text, {text: text}, text, (text,)))))
    found, plain = pages
    assert [tag for tag, _ in found.tags] == [tag for tag, _ in plain.tags]
    assert [list(attrs) for _, attrs in found.tags] == [list(attrs) for _, attrs in plain.tags]
    assert "".join(found.texts).count(attack) >= 100


def test_the_page_needs_nothing_from_outside_and_runs_nothing(full: str) -> None:
    tags = Page(full).tags
    assert all((attrs["src"] or "").startswith("data:image/png;base64,") for tag, attrs in tags if tag == "img")
    assert sum(tag == "img" for tag, _ in tags) == 8
    assert all((attrs["href"] or "").startswith("#") for tag, attrs in tags if tag == "a")
    assert not FORBIDDEN & {tag for tag, _ in tags}
    assert not [name for _, attrs in tags for name in attrs if name.startswith("on")]
    assert not re.search(r"url\(|@import|https?:", re.sub(r"base64,[^\"]+", "", full))
    assert "default-src 'none'" in next(a["content"] or "" for t, a in tags if t == "meta" and "http-equiv" in a)
    anchors = {attrs.get("id") for _, attrs in tags}
    assert {(attrs["href"] or "")[1:] for tag, attrs in tags if tag == "a"} <= anchors


def test_every_image_has_words_for_who_cannot_see_it(full: str) -> None:
    assert all(len(attrs["alt"] or "") > 20 for tag, attrs in Page(full).tags if tag == "img")


def test_japanese_text_stands_as_it_is_and_says_its_language(tmp_path: Path) -> None:
    text = page_of(tmp_path, cases(20, text="¶ user: 田中さんに議事録を送って。", language="ja", category="金融"))
    assert "¶ user: 田中さんに議事録を送って。" in text
    assert '<pre lang="ja">' in text
    assert '<th scope="row">金融</th>' in text
    assert '<meta charset="utf-8">' in text


@given(st.text(max_size=30))
def test_nothing_hidden_stays_in_shown_text_and_plain_text_stays_whole(text: str) -> None:
    found = shown.visible(text)
    found.encode("utf-8")
    assert not re.search("[\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]", found)
    if text.isascii() and text.isprintable():
        assert found == text


def test_a_hidden_character_stands_as_its_code_point(tmp_path: Path) -> None:
    text = page_of(tmp_path, cases(20, text="pay\u202e to \x1b[31m\ud800 me"))
    assert "pay⟨U+202E⟩ to ⟨U+001B⟩[31m⟨U+D800⟩ me" in text


def test_a_refuse_case_that_got_allow_stands_before_every_other_error_and_errors_before_right_ones(
    tmp_path: Path,
) -> None:
    p = np.array([[0.1, 0.1, 0.8], [0.98, 0.01, 0.01], [0.7, 0.1, 0.2], [0.9, 0.05, 0.05], [0.9, 0.05, 0.05]])
    target, decisions = np.array([2, 1, 2, 2, 0]), np.array([2, 0, 0, 0, 0])
    about = tuple(About(name) for name in ("right", "escalate-error", "refuse-mild", "refuse-sure", "right-too"))
    text = page_of(tmp_path, Judged(p, target, decisions, about))
    order = re.findall(r"<strong>([a-z-]+)</strong>", text)
    assert order == ["refuse-sure", "refuse-mild", "escalate-error", "right", "right-too"]
    assert "3 of 3 wrong decisions" in text


def test_a_long_list_of_errors_is_cut_and_says_so(tmp_path: Path) -> None:
    base = cases(300)
    judged = Judged(base.probabilities, base.target, np.zeros(300, np.int64), base.about)
    text = page_of(tmp_path, judged)
    wrong = int((base.target != 0).sum())
    assert f"100 of {wrong} wrong decisions" in text
    assert f"20 of {300 - wrong} right decisions" in text
    assert text.count("<article>") == 120


def test_the_figures_stand_beside_the_best_constant_classifier_with_their_intervals(full: str) -> None:
    assert re.search(r"best constant: (ESCALATE|REFUSE)", full)
    row = re.search(r"combined.*?</tr>", full[full.index("<tbody>") :], re.S)
    assert row
    assert re.search(r"<td>0\.\d{3}</td><td>0\.\d{3} – 0\.\d{3}</td><td>0\.667</td>", row[0])


@pytest.mark.parametrize("n", [0, 1, 3])
def test_few_cases_make_a_report_too(tmp_path: Path, n: int) -> None:
    text = page_of(tmp_path, cases(n))
    assert "nan" not in re.sub(r"base64,[^\"]+", "", text).lower()
    assert f"{n} cases." in text


@pytest.mark.parametrize(("target", "thresholds"), [*((t, THRESHOLDS) for t in range(4)), (1, Thresholds(2.0, 0.34))])
def test_one_label_alone_makes_every_plot_that_it_can(target: int, thresholds: Thresholds) -> None:
    base = cases(25)
    judged = Judged(base.probabilities, np.full(25, target), base.decisions, base.about)
    found = plots.pngs(plots.of(judged, thresholds, 0.05))
    assert set(found) == {"confusion", "scores", "reliability"}


def test_the_plots_lie_beside_the_page_and_are_the_same_bytes_again(tmp_path: Path, folder_of_full: Path) -> None:
    assert everything(tmp_path) == (folder_of_full / "report.html").read_text("utf-8")
    files = sorted((tmp_path / "plots").iterdir())
    names = "confusion indicators losses reliability schedule scores trade_off weighted"
    assert [file.stem for file in files] == names.split()
    for file in files:
        data = file.read_bytes()
        assert data == (folder_of_full / "plots" / file.name).read_bytes()
        assert data[:8] == b"\x89PNG\r\n\x1a\n"
        assert struct.unpack(">I", data[16:20])[0] >= 800
        assert b"Software" not in data


def test_what_was_fitted_and_on_what_stands_in_the_report(tmp_path: Path) -> None:
    dice = np.random.default_rng(1)
    targets = dice.integers(0, 3, 40)
    found = calibrate(dice.normal(size=(40, 3)) + 3 * np.eye(3)[targets], targets, 0.001, 0.9)
    told = facts.calibration(found) | facts.machine("CPU")
    text = page_of(tmp_path, cases(20), Background("t", told, "[model]\nbase = 1", found.notices))
    for says in (
        "never reached",
        "temperature",
        "Python 3.",
        "torch ",
        "computed on: CPU",
        "base = 1",
        "the head never",
    ):
        assert says in text
    told = facts.calibration(calibrate(np.eye(3)[np.tile(targets, 20)], np.tile(targets, 20), 0.05, 0.9))
    assert re.search(
        r"at most 5 %: 0 of \d+ calibration cases .* with 90 % confidence at most 0\.\d+ %", " ".join(told.values())
    )


# --- the log of the run -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("steps", [1, 13])
def test_a_log_of_any_length_is_drawn(tmp_path: Path, steps: int) -> None:
    found = plots.pngs(plots_run.of(history.read(log(tmp_path / "log.jsonl", steps))))
    assert set(found) == {"losses", "weighted", "schedule", "indicators"}


def test_a_log_that_says_little_makes_few_plots(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_text('{"step": 1, "loss/total": 2.5}\n', encoding="utf-8")
    assert set(plots_run.of(history.read(tmp_path / "log.jsonl"))) == {"losses"}
    (tmp_path / "log.jsonl").write_text("", encoding="utf-8")
    assert plots_run.of(history.read(tmp_path / "log.jsonl")) == {}


def test_a_key_that_no_font_can_draw_is_drawn_all_the_same(tmp_path: Path) -> None:
    keys = {"loss/日本語": 1.0, "weighted/$x^{": 2.0, "weighted/\U0001f600": 1.0, "lr/\n": 0.0, "eval/_hidden": 0.5}
    (tmp_path / "log.jsonl").write_text(json.dumps({"step": 1, **keys}), encoding="utf-8")
    assert len(plots.pngs(plots_run.of(history.read(tmp_path / "log.jsonl")))) == 4


def test_a_resumed_run_counts_as_it_was_last_written_and_a_torn_line_is_left_out(tmp_path: Path) -> None:
    file = tmp_path / "log.jsonl"
    file.write_text(
        '{"step": 2, "loss/a": 1}\n{"step": 1, "loss/a": 5}\n\n{"step": 2, "loss/a": 3}\n'
        '{"step": 3, "loss/a": NaN, "note": "text", "flag": true}\n{"step": 4, "lo',
        encoding="utf-8",
    )
    found = history.read(file)
    assert set(found.series) == {"loss/a"}
    assert found.series["loss/a"].steps.tolist() == [1, 2]
    assert found.series["loss/a"].values.tolist() == [5, 3]


@pytest.mark.parametrize("line", ["{", "[1]", '{"loss/a": 1}', '{"step": "one"}', '{"step": NaN}'])
def test_a_broken_line_in_the_middle_is_an_error_that_says_where(tmp_path: Path, line: str) -> None:
    file = tmp_path / "log.jsonl"
    file.write_text(f'{{"step": 1}}\n{line}\n{{"step": 2}}\n', encoding="utf-8")
    with pytest.raises(history.HistoryBroken, match="line 2"):
        history.read(file)
    with pytest.raises(history.HistoryBroken, match="cannot be read"):
        history.read(tmp_path / "nowhere.jsonl")


def test_settings_of_the_user_do_not_reach_into_the_plots(tmp_path: Path) -> None:
    import matplotlib as mpl

    before = plots.pngs(plots.of(cases(30), THRESHOLDS, 0.05))
    with mpl.rc_context({"font.size": 25, "axes.facecolor": "red", "savefig.dpi": 30}):
        assert plots.pngs(plots.of(cases(30), THRESHOLDS, 0.05)) == before
    assert style.printable("a$b") == r"a\$b"
