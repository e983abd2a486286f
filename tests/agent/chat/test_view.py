"""How the chat draws events: every call with its decision, and nothing from outside in the first two columns."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from so8t.agent import events
from so8t.agent.chat.layout import Fragments
from so8t.agent.chat.view import FOLD, View
from so8t.agent.terminal import safe
from so8t.gate.contract import Call, Decision, Finding, Source, Thresholds, Verdict, Versions
from so8t.tools import Outcome

ANY = st.text(st.characters(exclude_categories=()) | st.sampled_from("\n\n✓●◆›✗?· \x1b[2J\u202e日本"))


def verdict(decision: Decision, reason: str = "it is so") -> Verdict:
    shares = {Decision.ALLOW: (0.9, 0.1, 0.0), Decision.ESCALATE: (0.3, 0.6, 0.1), Decision.REFUSE: (0.0, 0.1, 0.9)}
    finding = Finding(Source.HEAD, decision, reason)
    versions = Versions("policy", "head", "backbone", "rendering")
    limits = Thresholds(allow=0.5, refuse=0.5)
    return Verdict(decision, Source.HEAD, (finding,), "0" * 64, versions, shares[decision], limits, ms=12.3)


def drawn(*seen: events.Event, width: int | None = None, live: bool = True) -> str:
    written: list[str] = []

    def write(fragments: Fragments, end: str) -> None:
        written.append("".join(text for _, text in fragments) + end)

    view = View(write, lambda: width)
    view.live = live
    for event in seen:
        view.show(event)
    return "".join(written)


def call(**arguments: Any) -> Call:
    return Call.of("write_file", arguments)


def test_an_allowed_call_is_drawn_with_arguments_decision_and_result() -> None:
    asked = call(path="メモ.txt", content="a\nb")
    out = drawn(
        events.CallJudged(asked, verdict(Decision.ALLOW)),
        events.CallFinished(asked, Outcome("done", "created メモ.txt\n", False, 6.4)),
    )
    assert out.splitlines() == [
        '● write_file  content="a\\nb"  path="メモ.txt"',
        f"✓ ALLOW  {asked.id}  allow 0.90 · escalate 0.10 · refuse 0.00 · head · 12 ms",
        "✓ done  6 ms",
        "  │ created メモ.txt",
    ]


def test_a_call_that_waits_says_why_and_how_it_is_approved() -> None:
    asked = call()
    out = drawn(events.CallJudged(asked, verdict(Decision.ESCALATE, "it is gray")))
    assert out.startswith(f"● write_file\n? ESCALATE  {asked.id}  ")
    assert out.endswith(f"\n  it is gray\n  waits for a reviewer: so8t review approve {asked.id}\n")


def test_a_refused_turn_says_that_the_model_does_not_see_it() -> None:
    out = drawn(events.TurnJudged("abc12345", "hi", verdict(Decision.REFUSE, "it is black")))
    assert out.startswith("✗ REFUSE  abc12345  ")
    assert out.endswith("\n  your message: not passed to the model\n  it is black\n")
    assert drawn(events.TurnJudged("abc12345", "hi", verdict(Decision.ALLOW))) == ""


def test_results_of_calls_that_ran_at_the_same_time_say_whose_they_are() -> None:
    one, two = call(path="one"), call(path="two")
    out = drawn(
        events.CallJudged(one, verdict(Decision.ALLOW)),
        events.CallJudged(two, verdict(Decision.ALLOW)),
        events.CallFinished(two, Outcome("done", "2", False, 1)),
        events.CallFinished(one, Outcome("error", "1", False, 1)),
    )
    assert out.endswith('✓ done  1 ms\n  │ 2\n✗ write_file  path="one"  error  1 ms\n  │ 1\n')


def test_the_result_of_an_approved_call_says_what_ran() -> None:
    asked = call(path="old")
    out = drawn(
        events.CallJudged(asked, verdict(Decision.ESCALATE)),
        events.Reviewed(asked.id, "write_file", "approved", "Aya\n● x", "fine"),
        events.CallFinished(asked, Outcome("done", "", False, 1)),
    )
    said = f"◆ write_file ({asked.id}) was approved by Aya ⏎ ● x: fine"
    assert out.endswith(f'{said}\n✓ write_file  path="old"  done  1 ms\n')


def test_an_answer_is_drawn_once_streamed_or_not() -> None:
    deltas = [events.Delta("Hello "), events.Delta("you.\n")]
    ended = [events.Answered("Hello you.\n"), events.TurnEnded()]
    assert drawn(*deltas, *ended) == "  Hello you.\n"
    assert drawn(*deltas, *ended, live=False) == "  Hello you.\n"
    assert drawn(*deltas, events.Notice("full"), *ended) == "  Hello you.\n· full\n"
    assert drawn(*deltas, *ended, *deltas, *ended) == "  Hello you.\n" * 2


def test_while_a_prompt_is_on_the_screen_only_whole_answers_are_written() -> None:
    assert drawn(events.Delta("half a line"), live=False) == ""


def test_an_answer_that_breaks_off_ends_its_line() -> None:
    assert drawn(events.Delta("half a"), events.Failed("gone"), events.TurnEnded()) == "  half a\n✗ gone\n"
    assert drawn(events.Delta("half a"), events.Cancelled(), events.TurnEnded()) == "  half a\n· stopped\n"


def test_a_long_result_is_folded_and_says_how_much_is_missing() -> None:
    asked = call()
    rows = drawn(events.CallFinished(asked, Outcome("done", "x\n" * 100, False, 1))).splitlines()
    assert len(rows) == 1 + FOLD + 1
    assert rows[-1] == f"  … {100 - FOLD} more lines: /show for all"
    rows = drawn(events.CallFinished(asked, Outcome("done", "x" * 20_000, False, 1))).splitlines()
    assert len(rows[1]) < 500
    assert rows[-1] == "  … long lines are cut: /show for all"


SIGNS = tuple("✓✗?●◆·")


@given(ANY, ANY, ANY, st.none() | st.integers(20, 60), st.booleans())
def test_nothing_from_outside_can_pass_for_a_line_of_ours(
    answer: str, output: str, reason: str, width: int | None, live: bool
) -> None:
    name = "write_file"
    asked = Call.of(name, {"text": safe(answer)})  # a call is canonical JSON: no lone surrogates
    out = drawn(
        events.Delta(answer),
        events.Answered(answer),
        events.CallInvalid(asked, reason),
        events.CallJudged(asked, verdict(Decision.REFUSE, reason)),
        events.CallFinished(asked, Outcome("done", output, False, 1)),
        events.Reviewed(asked.id, name, "refused", reason, output),
        events.Notice(reason),
        events.Failed(output),
        events.TurnEnded(),
        width=width,
        live=live,
    )
    assert out == safe(out)
    assert [row[0] for row in out.splitlines() if row[:2].strip()] == list("✗●✗✓◆·✗")
    assert all(row[:2] == "  " for row in out.splitlines() if row and row[0] not in SIGNS)
