"""A training run of a few seconds: it learns, is saved, resumes, and its scores are counted right."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from so8t.training.mini import batches, chat, evaluate, overlap, phrasing, pretrain, tokenizer  # noqa: E402
from so8t.training.mini.dialogues import Generator  # noqa: E402
from so8t.training.mini.model import Plan, build, loss_of, rate  # noqa: E402

LINES = phrasing.read_folder()
SMALL = Plan(minutes=0, hidden=32, layers=1, heads=2, kv_heads=1, feed_forward=48, batch_tokens=1024)


def test_only_the_assistants_tokens_are_learnt() -> None:
    words = tokenizer.train([item.text for item in LINES[:500]])
    dialogue = [chat.Message("user", "ls"), chat.Message("assistant", calls=[chat.Call("list_files")])]
    batch = batches.collate([batches.tokenise(words, dialogue)], 0)
    assert words.decode(batch.targets) == chat.Call("list_files").text() + chat.END


def test_padding_is_never_learnt_and_batches_stay_within_their_size() -> None:
    words = tokenizer.train([item.text for item in LINES[:500]])
    source = batches.batches(words, Generator(LINES, 1), 2048)
    for batch in (next(source) for _ in range(20)):
        assert not (batch.targets == words.pad_token_id).any()
        assert batch.tokens <= 2048


def test_the_loss_falls_within_a_few_steps() -> None:
    words = tokenizer.train([item.text for item in LINES[:500]])
    model = build(SMALL, words)
    batch = next(batches.batches(words, Generator(LINES, 1), 1024))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    first = loss_of(model, batch).item()
    for _ in range(20):
        loss_of(model, batch).backward()
        optimizer.step()
        optimizer.zero_grad()
    assert loss_of(model, batch).item() < first / 2


def test_the_rate_rises_then_falls() -> None:
    plan = Plan(minutes=1)
    assert rate(0.0, plan) < rate(0.01, plan) < rate(0.02, plan)
    assert rate(0.02, plan) == 1.0
    assert rate(0.5, plan) > rate(0.9, plan) > rate(1.0, plan) > 0


def test_a_run_is_saved_and_resumed_where_it_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pretrain, "TOKENIZER_DIALOGUES", 50)
    run = pretrain.Run(tmp_path, replace(SMALL, minutes=0.02))
    run.train()
    assert run.step > 0
    again = pretrain.Run(tmp_path, replace(SMALL, minutes=0.02))
    assert (again.step, again.tokens, again.used) == (run.step, run.tokens, run.used)
    for left, right in zip(run.model.parameters(), again.model.parameters(), strict=True):
        assert torch.equal(left, right)


def test_the_report_names_the_seed_the_data_and_the_scores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pretrain, "TOKENIZER_DIALOGUES", 50)
    run = pretrain.Run(tmp_path, SMALL)
    run.questions = {"known": run.questions["known"][:2]}
    run.report()
    report = json.loads((tmp_path / "run.json").read_text(encoding="utf-8"))
    assert report["plan"]["seed"] == SMALL.seed
    assert set(report["digests"]) >= {"dialogues", "heldout.jsonl"}
    assert report["scores"]["known"]["n"] == 2


CALL = chat.Call("read_file", {"path": "a.md"})
USER = (chat.Message("user", "cat a.md"),)


@pytest.mark.parametrize(
    ("expected", "said", "tool", "exact"),
    [
        (CALL, CALL.text(), 1, 1),
        (CALL, chat.Call("read_file", {"path": "b.md"}).text(), 1, 0),
        (CALL, chat.Call("list_files", {"path": "a.md"}).text(), 0, 0),
        (CALL, CALL.text() * 2, 1, 0),
        (CALL, "Which file?", 0, 0),
        (None, "Hello!", 1, 0),
        (None, CALL.text(), 0, 0),
    ],
)
def test_answers_are_scored(expected: chat.Call | None, said: str, tool: int, exact: int) -> None:
    def answerer(prompts: Sequence[str]) -> list[str]:
        return [said for _ in prompts]

    score = evaluate.score([evaluate.Question(USER, expected)], answerer)
    assert (score.right_tool, score.exact) == (tool, exact)


def question(user: str, tool: str | None, **arguments: str) -> evaluate.Question:
    return evaluate.Question((chat.Message("user", user),), chat.Call(tool, arguments) if tool else None)


PHRASINGS = list(phrasing.parse(
    [
        '== search_text {"text": "{text}", "path": "{dir}"}', "find {text} in {dir}, please",
        '== current_time {"timezone": "{zone}"}', "time in {city}",
        "== reply missing_database", "{sql}",
        "== reply greeting", "good day",
    ],
    "x",
))  # fmt: skip


@pytest.mark.parametrize(
    ("asked", "new"),
    [
        (question("Find cat in src, please.", "search_text", text="cat", path="src"), False),
        (question("find 'cat' in src, please", "search_text", text="cat", path="src"), False),
        (question("look for cat in src", "search_text", text="cat", path="src"), True),
        (question("find cat in src, please", "search_text", text="cat in src"), True),
        (question("time in Oslo?", "current_time", timezone="Europe/Oslo"), False),
        (question("Good day!", None), False),
        (question("good evening", None), True),
    ],
)
def test_a_question_is_new_where_no_phrasing_words_it_so(asked: evaluate.Question, new: bool) -> None:
    assert bool(overlap.unseen([asked], PHRASINGS)) is new


def test_most_held_out_questions_are_new() -> None:
    questions = evaluate.read_heldout()
    assert len(overlap.unseen(questions, LINES)) > len(questions) / 2


def test_torch_answers_a_batch_as_it_answers_one_by_one() -> None:
    words = tokenizer.train([item.text for item in LINES[:500]])
    model = build(SMALL, words).eval()
    answerer = evaluate.TorchAnswerer(model, words, longest=8)
    prompts = [q.prompt for q in evaluate.known(Generator(LINES, 1), 4)]
    assert answerer(prompts) == [answerer([prompt])[0] for prompt in prompts]
