"""Cases drawn from attributes: the label by the policy, the text by the attributes, and no shortcut between the two."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter, defaultdict
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import tiny_run
from labelled import enough, letters, write
from sklearn.feature_extraction.text import CountVectorizer  # type: ignore[import-untyped]
from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]
from sklearn.metrics import balanced_accuracy_score  # type: ignore[import-untyped]

from so8t.gate import provenance
from so8t.gate.cases import Case, parse
from so8t.gate.sources import Sources
from so8t.training import base as bases
from so8t.training.data.example import rendered
from so8t.training.data.load import load
from so8t.training.generated.actions import Action, actions
from so8t.training.generated.attributes import Attributes, Deed, Origin
from so8t.training.generated.generate import generate
from so8t.training.generated.labels import judge
from so8t.training.generated.possible import possible
from so8t.training.generated.scene import scene
from so8t.training.prepare import prepare
from so8t.training.recipe import load as read_recipe

COUNT = 2400
# What a bag of words may get on cases it has not seen (mean recall of the three labels, chance 0.333). A figure that
# rises says that words began to stand for labels; what is left is the words of harmful purposes, which do decide.
MOST_BY_USER, MOST_BY_CALL, MOST_BY_ALL = 0.64, 0.48, 0.66


@pytest.fixture(scope="module")
def made() -> list[dict[str, Any]]:
    return list(generate(COUNT, 8))


@pytest.fixture(scope="module")
def cases(made: list[dict[str, Any]]) -> list[Case]:
    return [parse(json.dumps(line).encode(), "", {}) for line in made]


@pytest.fixture(scope="module")
def texts(cases: list[Case]) -> list[str]:
    """As the head reads them."""
    found = [rendered(case) for case in cases]
    return ["\n".join((text.header, *text.body)) for text in found]


def attributes(line: dict[str, Any]) -> Attributes:
    kinds: dict[str, Any] = {field.name: type(getattr(SAMPLE, field.name)) for field in fields(Attributes)}
    return Attributes(**{name: kinds[name](line["attributes"][name]) for name in kinds})


def action(line: dict[str, Any]) -> Action:
    return next(found for found in actions() if found.name == line["attributes"]["action"])


SAMPLE = Attributes(Deed.READ)


def test_the_same_seed_gives_the_same_cases_and_another_one_others(made: list[dict[str, Any]]) -> None:
    assert list(generate(300, 8)) == list(generate(300, 8))
    assert list(generate(200, 8))[:199] == made[:199]
    assert not {json.dumps(line["messages"]) for line in generate(300, 9)} & {
        json.dumps(line["messages"]) for line in made
    }


def test_every_case_is_one_and_says_where_it_comes_from(made: list[dict[str, Any]], cases: list[Case]) -> None:
    assert [case.id for case in cases] == [f"generated-8-{n:05d}" for n in range(1, COUNT + 1)]
    assert {(case.source, case.lang) for case in cases} == {("generated", "en")}
    assert len({case.category for case in cases}) == 15
    assert {case.difficulty for case in cases} == {"easy", "medium", "hard"}
    assert all(possible(attributes(line), action(line)) for line in made)


def test_the_label_is_that_of_the_attributes(made: list[dict[str, Any]]) -> None:
    assert all(line["label"] == judge(attributes(line)).label for line in made)


def test_labels_come_in_equal_parts(made: list[dict[str, Any]]) -> None:
    counts = Counter(line["label"] for line in made)
    assert max(counts.values()) - min(counts.values()) <= 2


def test_domains_tools_and_words_are_many(made: list[dict[str, Any]]) -> None:
    assert len({found.domain for found in actions()}) >= 25
    assert len({line["call"]["name"] for line in made if line["call"]}) >= 1000
    words = Counter(
        word for line in made for m in line["messages"] for word in set(re.findall(r"[a-z]{3,}", m["content"].lower()))
    )
    assert len(words) >= 2000


def test_what_is_done_says_nothing_about_the_label(made: list[dict[str, Any]]) -> None:
    """Each action stands under each label, but for what is harmless to read."""
    labels = defaultdict(set)
    for line in [*made, *generate(COUNT, 9)]:
        labels[line["attributes"]["action"]].add(line["label"])
    assert all(len(labels[found.name]) == (2 if found.harmless else 3) for found in actions())


def test_no_two_cases_that_look_alike_to_the_head_differ_in_label(texts: list[str], cases: list[Case]) -> None:
    labels = defaultdict(set)
    for text, case in zip(texts, cases, strict=True):
        labels[text].add(case.label)
    assert all(len(found) == 1 for found in labels.values())


def test_the_target_comes_from_where_it_was_drawn(made: list[dict[str, Any]], cases: list[Case]) -> None:
    """As the gate itself marks it, in every case with a call."""
    seen = Counter[str]()
    for line, case in zip(made, cases, strict=True):
        if case.proposal.call is not None:
            a = attributes(line)
            target = scene(a, action(line), line.get("pair", line["id"])).target
            marks = provenance.marks(case.proposal, Sources.of(case.proposal.messages))
            mark = next(mark for mark in marks if mark.leaf.text == target)
            assert mark.origin.partition(":")[0] == a.origin, line["id"]
            assert not mark.parts or a.origin is Origin.TOOL, line["id"]
            seen[a.origin] += 1
    assert min(seen[origin] for origin in Origin) > COUNT // 20


def test_a_text_comes_from_where_it_was_drawn(made: list[dict[str, Any]], cases: list[Case]) -> None:
    seen = Counter[str]()
    for line, case in zip(made, cases, strict=True):
        a = attributes(line)
        if case.proposal.call is not None and action(line).text:
            text = scene(a, action(line), line.get("pair", line["id"])).written
            marks = provenance.marks(case.proposal, Sources.of(case.proposal.messages))
            mark = next(mark for mark in marks if mark.leaf.text == text)
            assert mark.origin.partition(":")[0] == a.text_origin, line["id"]
            seen[a.text_origin] += 1
    assert set(seen) == set(Origin)


def test_an_order_that_is_not_followed_leaves_no_mark(made: list[dict[str, Any]], cases: list[Case]) -> None:
    ignored = [
        case
        for line, case in zip(made, cases, strict=True)
        if line["call"] and line["attributes"]["distraction"] == "order" and line["attributes"]["scope"] == "equal"
    ]
    assert len(ignored) > 20
    for case in ignored:
        assert not any(mark.tool for mark in provenance.marks(case.proposal, Sources.of(case.proposal.messages)))


def test_pairs_differ_in_one_attribute_and_in_the_label(made: list[dict[str, Any]]) -> None:
    pairs = defaultdict(list)
    for line in made:
        if "pair" in line:
            pairs[line["pair"]].append(line)
    assert len(pairs) > COUNT // 10
    changed = set()
    for one, other in pairs.values():
        a, b = attributes(one), attributes(other)
        names = [f.name for f in fields(a) if getattr(a, f.name) != getattr(b, f.name)]
        assert len(names) == 1
        assert action(one) is action(other)
        assert one["label"] != other["label"]
        assert (one["messages"], one["call"]) != (other["messages"], other["call"])
        changed |= set(names)
    assert {"purpose", "asked_by", "scope", "owner", "mode", "clarity"} <= changed


def test_no_text_is_longer_than_a_window(texts: list[str]) -> None:
    """Pieces of two letters or digits are far more than a tokenizer makes."""
    assert max(len(re.findall(r"[^\W_]{1,2}|[\W_]", text.replace(" ", ""))) for text in texts) <= 510


@pytest.mark.parametrize(("part", "most"), [("user", MOST_BY_USER), ("call", MOST_BY_CALL), ("all", MOST_BY_ALL)])
def test_a_bag_of_words_does_not_get_far(made: list[dict[str, Any]], texts: list[str], part: str, most: float) -> None:
    said = [" ".join(m["content"] for m in line["messages"] if m["role"] == "user") for line in made]
    seen = {"user": said, "call": [json.dumps(line["call"]) for line in made], "all": texts}[part]
    labels, cut = [line["label"] for line in made], COUNT * 3 // 4
    words = CountVectorizer(binary=True, min_df=2)
    model = LogisticRegression(C=0.3, max_iter=300).fit(words.fit_transform(seen[:cut]), labels[:cut])
    assert balanced_accuracy_score(labels[cut:], model.predict(words.transform(seen[cut:]))) < most


def test_the_command_writes_lines_that_load(tmp_path: Path) -> None:
    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "so8t.training.generated", *words]
        return subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False)

    file = tmp_path / "made.jsonl"
    done = run("60", "--seed", "3", "--out", str(file))
    assert (done.returncode, done.stderr) == (0, "")
    assert [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] == list(generate(60, 3))
    assert len(load([file], letters(tmp_path), least=1).examples) >= 60
    missing = run("60", "--out", str(tmp_path / "none" / "made.jsonl"))
    assert missing.returncode == 1
    assert "cannot be written (No such file" in missing.stderr
    assert "Traceback" not in missing.stderr


def test_generated_cases_are_learned_from_and_count_as_none(tmp_path: Path) -> None:
    file, tokens = write(tmp_path / "a.jsonl", enough()), letters(tmp_path)
    plain, more = load([file], tokens), load([file], tokens, generated=40)
    added = more.examples[len(plain.examples) :]
    assert len(added) == 40
    assert {(e.source, e.own) for e in added} == {("generated", False)}
    assert more.counts.copies - plain.counts.copies == 40
    assert more.digest != plain.digest


def test_a_recipe_asks_for_them_and_the_split_of_the_others_stays(tmp_path: Path) -> None:
    file = tiny_run.write(tmp_path / "run")
    recipe = read_recipe(file)
    assert recipe.data.generated == 0
    base = bases.load(recipe, file.parent)
    before = prepare(recipe, base, file.parent).parts
    after = prepare(read_recipe(file, {"data.generated": 50}), base, file.parent).parts
    assert after.train[: len(before.train)] == before.train
    assert [e.source for e in after.train[len(before.train) :]] == ["generated"] * 50
    assert (after.validation, after.calibration, after.test) == (before.validation, before.calibration, before.test)
    other = prepare(read_recipe(file, {"data.generated": 50, "data.languages": ["en"]}), base, file.parent).parts
    assert len(other.train) == len(after.train)
