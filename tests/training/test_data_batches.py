"""From examples to the tensors of a batch: what is read, learnt and padded, and in which order it comes."""

from __future__ import annotations

from collections import Counter
from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from accelerate import Accelerator, skip_first_batches  # noqa: E402
from labelled import LABELS, example, letters  # noqa: E402
from torch.utils.data import DataLoader  # noqa: E402
from transformers import LlamaConfig, LlamaModel  # noqa: E402

from so8t.training.data.balance import class_weights  # noqa: E402
from so8t.training.data.batches import Batches, BatchesError  # noqa: E402
from so8t.training.data.collate import Collator, RowEmpty  # noqa: E402
from so8t.training.data.dialogues import Dialogue  # noqa: E402
from so8t.training.data.example import Example  # noqa: E402
from so8t.training.data.rows import IGNORED, EvaluationRows, Row, TrainingRows, strictest  # noqa: E402
from so8t.training.data.tokens import TokenizerMismatch, WordPieceTokens  # noqa: E402


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> WordPieceTokens:
    return letters(tmp_path_factory.mktemp("vocab"))


def some(n: int) -> list[Example]:
    return [example(str(i), LABELS[i % 4], "a" * (1 + i * 7 % 50)) for i in range(n)]


def rows_of(tokens: WordPieceTokens, n: int, dialogues: int = 0) -> TrainingRows:
    talk = [Dialogue([4 + i % 9] * (2 + i % 5), [True] * (2 + i % 5)) for i in range(dialogues)]
    return TrainingRows(some(n), tokens, longest=64, dialogues=talk)


Rows = st.lists(st.tuples(st.lists(st.integers(1, 9), min_size=1, max_size=9), st.booleans()), min_size=1, max_size=5)


@given(Rows, st.sampled_from(["left", "right"]), st.integers(1, 8))
def test_a_batch_holds_every_row_and_the_mask_says_where(
    raw: list[tuple[list[int], bool]], side: Literal["left", "right"], multiple: int
) -> None:
    rows = [
        Row(np.array(ids, np.int32), np.arange(len(ids)) % 2 == 1 if talk else None, IGNORED if talk else 2, 0.5)
        for ids, talk in raw
    ]
    batch = Collator(pad=3, side=side, multiple=multiple)(rows)
    width = batch["input_ids"].shape[1]
    longest = max(len(ids) for ids, _ in raw)
    assert width % multiple == 0
    assert longest <= width < longest + multiple
    for b, row in enumerate(rows):
        mask = batch["attention_mask"][b].bool()
        expected = [False] * (width - len(row.ids)) + [True] * len(row.ids)
        assert mask.tolist() == (expected if side == "left" else expected[::-1])
        assert batch["input_ids"][b][mask].tolist() == row.ids.tolist()
        assert (batch["input_ids"][b][~mask] == 3).all()
        learnt = row.learnt if row.learnt is not None else np.zeros(len(row.ids), bool)
        assert batch["labels"][b][mask].tolist() == np.where(learnt, row.ids, IGNORED).tolist()
        assert (batch["labels"][b][~mask] == IGNORED).all()
    assert batch["target"].tolist() == [row.target for row in rows]
    assert batch["weight"].tolist() == [0.5] * len(rows)


def test_shapes_and_types_are_what_the_trainer_expects(tokens: WordPieceTokens) -> None:
    rows = rows_of(tokens, 3, 1)
    batch = Collator(tokens.pad)([rows[0, i] for i in range(4)])
    names = {"input_ids", "attention_mask", "labels", "target", "weight"}
    assert set(batch) == names
    assert {name: batch[name].dtype for name in names - {"weight"}} == dict.fromkeys(names - {"weight"}, torch.int64)
    assert batch["weight"].dtype == torch.float32
    assert batch["input_ids"].shape == batch["attention_mask"].shape == batch["labels"].shape
    assert batch["target"].shape == batch["weight"].shape == (4,)
    assert batch["target"].tolist() == [0, 1, 2, IGNORED]
    assert batch["weight"].tolist() == [1, 1, 1, 0]
    assert (batch["labels"][:3] == IGNORED).all()


def test_a_row_without_a_token_is_an_error() -> None:
    with pytest.raises(RowEmpty, match="no token"):
        Collator(0)([Row(np.array([], np.int32), None, 0, 1.0)])
    with pytest.raises(RowEmpty):
        Collator(0)([])


@pytest.mark.parametrize("side", ["left", "right"])
def test_whatever_pads_a_row_changes_no_hidden_state(side: Literal["left", "right"]) -> None:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=32, hidden_size=16, intermediate_size=16, num_hidden_layers=2, num_attention_heads=2
    )
    model = LlamaModel(config).eval()
    rows = [Row(np.array(ids, np.int32), None, 0, 1.0) for ids in ([5, 6, 7], [8, 9, 10, 11, 12, 13])]
    states = []
    for pad in (0, 31):
        batch = Collator(pad, side)(rows)
        with torch.no_grad():
            found = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).last_hidden_state
        states.append(found[batch["attention_mask"].bool()])
    assert torch.equal(states[0], states[1])
    alone = model(input_ids=torch.tensor([[5, 6, 7]])).last_hidden_state[0]
    assert torch.allclose(states[0][:3], alone, atol=1e-5)


def test_a_case_weighs_what_its_label_weighs(tokens: WordPieceTokens) -> None:
    rows = TrainingRows(some(4), tokens, longest=64, weights=[0.5, 1, 2, 3])
    assert [rows[0, i].weight for i in range(4)] == [0.5, 1, 2, 3]


def test_what_is_too_long_is_cut_at_its_end_and_counted(tokens: WordPieceTokens) -> None:
    examples = [
        example("a", windows=("abc" * 10, "xy")),
        example("b", windows=("z" * 14,)),
        example("c", windows=("q",)),
    ]
    talk = [Dialogue(list(range(4, 24)), [False] * 10 + [True] * 10), Dialogue([4] * 16, [True] * 16)]
    rows = TrainingRows(examples, tokens, longest=16, dialogues=talk)
    assert (rows.cut.texts, rows.cut.tokens) == (2, 16 + 4)
    assert str(rows.cut) == "2 texts were cut, 20 tokens are not trained on"
    whole = tokens.framed("abc" * 10)
    cut = next(row for row in (rows[epoch, 0] for epoch in range(20)) if len(row.ids) == 16)
    assert cut.ids.tolist() == [*whole[:15], whole[-1]]  # the closing [SEP] stays
    assert rows[0, 3].ids.tolist() == list(range(4, 20))
    assert rows[0, 3].learnt is not None
    assert rows[0, 3].learnt.tolist() == [False] * 10 + [True] * 6


def test_training_takes_one_window_a_case_and_another_in_another_epoch(tokens: WordPieceTokens) -> None:
    windows = ("a", "bb", "ccc", "dddd")
    rows = TrainingRows([example("x", windows=windows)], tokens, longest=64)
    seen = [len(rows[epoch, 0].ids) for epoch in range(60)]
    assert set(seen) == {3, 4, 5, 6}
    again = TrainingRows([example("x", windows=windows)], tokens, longest=64)
    assert [len(again[epoch, 0].ids) for epoch in range(60)] == seen
    other = TrainingRows([example("x", windows=windows)], tokens, longest=64, seed=9)
    assert [len(other[epoch, 0].ids) for epoch in range(60)] != seen


def test_dialogues_of_another_tokenizer_are_an_error(tokens: WordPieceTokens) -> None:
    with pytest.raises(TokenizerMismatch, match=f"token id {tokens.size}, the tokenizer knows ids below {tokens.size}"):
        TrainingRows(some(1), tokens, longest=64, dialogues=[Dialogue([5, tokens.size], [True, True])])


def test_evaluation_reads_every_window_whole(tokens: WordPieceTokens) -> None:
    examples = [example("a", windows=("b " * 300, "c")), example("d", "REFUSE", windows=("e" * 20,))]
    rows = EvaluationRows(examples, tokens)
    assert [len(rows[i].ids) for i in range(len(rows))] == [3, 22, 302]  # the shortest first
    assert rows.owners.tolist() == [0, 1, 0]
    assert [rows[i].target for i in range(len(rows))] == [0, 2, 0]


def test_the_window_that_is_least_for_allow_stands_for_its_case() -> None:
    logits = np.array([[5, 0, 0], [0, 3, 0], [1, 0, 0], [2, 0, 9.0]])
    assert strictest(logits, [1, 0, 1, 0]).tolist() == [[2, 0, 9], [1, 0, 0]]


@given(
    n=st.integers(1, 40),
    size=st.integers(1, 7),
    share=st.sampled_from([0.0, 0.1, 0.25, 0.3, 0.5, 0.9]),
    dialogues=st.integers(1, 12),
    epoch=st.integers(0, 5),
)
def test_every_case_comes_in_every_epoch_and_batches_are_of_one_size(
    tokens: WordPieceTokens, n: int, size: int, share: float, dialogues: int, epoch: int
) -> None:
    rows = rows_of(tokens, n, dialogues if share else 0)
    batches = Batches(rows, size, dialogue_share=share)
    found = batches.of(epoch)
    assert len(found) == len(batches)
    assert all(len(batch) == size for batch in found)
    keys = [key for batch in found for key in batch]
    times = Counter(number for _, number in keys if number < n)
    assert set(times) == set(range(n))
    assert max(times.values()) - min(times.values()) <= 1
    talk = sum(number >= n for _, number in keys)
    assert abs(talk - share * len(keys)) <= 1
    assert all(e == epoch for e, _ in keys)


def test_each_batch_has_its_share_of_dialogues(tokens: WordPieceTokens) -> None:
    batches = Batches(rows_of(tokens, 60, 60), 4, dialogue_share=0.5)
    assert {sum(number >= 60 for _, number in batch) for batch in batches.of(0)} == {2}


def test_rows_of_about_one_length_stand_together(tokens: WordPieceTokens) -> None:
    rows = rows_of(tokens, 400)
    batches = Batches(rows, 8).of(0)
    used = sum(rows.length(key) for batch in batches for key in batch)
    padded = sum(len(batch) * max(rows.length(key) for key in batch) for batch in batches)
    assert padded < 1.06 * used
    lengths = [max(rows.length(key) for key in batch) for batch in batches]
    assert lengths not in (sorted(lengths), sorted(lengths, reverse=True))


def test_an_epoch_depends_on_its_number_and_the_seed_alone(tokens: WordPieceTokens) -> None:
    one, again, other = (Batches(rows_of(tokens, 40, 9), 4, dialogue_share=0.25, seed=s) for s in (8, 8, 9))
    for epoch in (3, 0):
        again.of(epoch)
    again.set_epoch(2)
    assert list(again) == one.of(2)
    assert one.of(2) != other.of(2)
    assert [[n for _, n in batch] for batch in one.of(2)] != [[n for _, n in batch] for batch in one.of(3)]


def test_rare_labels_are_drawn_more_often_where_weights_are_given(tokens: WordPieceTokens) -> None:
    targets = [0] * 160 + [1] * 20 + [2] * 20
    examples = [example(str(i), LABELS[target]) for i, target in enumerate(targets)]
    rows = TrainingRows(examples, tokens, longest=64)
    drawn = Counter(
        targets[number] for batch in Batches(rows, 4, weights=class_weights(targets, 9)).of(0) for _, number in batch
    )
    assert all(abs(drawn[target] - 200 / 3) <= 12 for target in range(3))


@pytest.mark.parametrize(("cases", "dialogues", "share"), [(0, 0, 0.0), (5, 0, 0.5), (5, 3, 0.0), (5, 3, 1.0)])
def test_batches_that_cannot_be_are_an_error(tokens: WordPieceTokens, cases: int, dialogues: int, share: float) -> None:
    with pytest.raises(BatchesError):
        Batches(rows_of(tokens, cases, dialogues), 4, dialogue_share=share)


def test_a_resumed_loader_goes_on_where_it_was(tokens: WordPieceTokens) -> None:
    """As the Trainer resumes: a new loader, the epoch set, the first batches skipped."""

    def loader() -> DataLoader[Row]:
        batches = Batches(rows_of(tokens, 30, 10), 4, dialogue_share=0.25)
        made = DataLoader(rows_of(tokens, 30, 10), batch_sampler=batches, collate_fn=Collator(tokens.pad))
        return Accelerator(cpu=True).prepare(made)  # type: ignore[no-any-return]  # untyped in accelerate

    whole = loader()
    whole.set_epoch(1)  # type: ignore[attr-defined]
    expected = [batch["input_ids"] for batch in whole][3:]
    resumed = skip_first_batches(loader(), 3)
    resumed.set_epoch(1)
    resumed.batch_sampler.batch_sampler.set_epoch(1)
    found = [batch["input_ids"] for batch in resumed]
    assert len(found) == len(expected) > 0
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))
