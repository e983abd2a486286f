"""What the person at the terminal sees of a run, and what Ctrl-C does to it: stop after this step, and save."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Mapping
from typing import Any, Self

import click
from tqdm import tqdm
from transformers import TrainerCallback, TrainerControl, TrainerState

from so8t.training import processes
from so8t.training.model import Judging

SHOWN = {
    "safety_score": "score",
    "refuse_recall": "RR",
    "escalate_recall": "ER",
    "overcompliance": "OC",
    "over_refusal": "OR",
    "auroc": "AUROC",
}


def tell(text: str) -> None:
    """One line on stderr about what is being done, from the first of several processes."""
    if processes.first():
        click.echo(text, err=True)


class Progress(TrainerCallback):
    """A bar with the losses and the latest indicators; without a terminal, one line for each evaluation."""

    def __init__(self, model: Judging) -> None:
        self.model = model
        self.bar: tqdm[Any] | None = None
        self.latest = ""

    def on_train_begin(self, args: Any, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """The bar begins where the run does."""
        if state.is_world_process_zero:
            self.bar = tqdm(
                total=state.max_steps, initial=state.global_step, unit="step", dynamic_ncols=True, disable=None
            )

    def on_step_end(self, args: Any, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """The loss terms of the last micro-batch, in thousandths where they are small."""
        if self.bar is not None and self.model.terms is not None:
            terms = self.model.terms
            parts = [f"{name} {float(value):.3g}" for name, value in terms.weighted.items() if float(value)]
            self.bar.set_postfix_str(" ".join([f"loss {float(terms.total.detach()):.3g}:", *parts, self.latest]))
            self.bar.update(state.global_step - self.bar.n)

    def on_evaluate(
        self, args: Any, state: TrainerState, control: TrainerControl, metrics: Mapping[str, float] = {}, **_: Any
    ) -> None:
        """The indicators on the validation cases."""
        if self.bar is None:
            return
        self.latest = "| " + " ".join(f"{short} {metrics[f'eval_{name}']:.2f}" for name, short in SHOWN.items())
        if self.bar.disable:
            tell(f"step {state.global_step}/{state.max_steps} {self.latest}")

    def on_train_end(self, args: Any, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Leave the bar as it stands."""
        if self.bar is not None:
            self.bar.close()


class Interrupt(TrainerCallback):
    """Ctrl-C within the `with`: the run ends after the step that is under way, and is saved. A second one ends it."""

    def __init__(self) -> None:
        self.asked = False
        self._before: Any = None

    def __enter__(self) -> Self:
        """Only the main thread may take signals; elsewhere nobody presses Ctrl-C."""
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._ask)
        return self

    def __exit__(self, *_: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def on_step_end(self, args: Any, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Save and stop."""
        self.asked = processes.any_of(self.asked, args.device)
        if self.asked:
            control.should_save = control.should_training_stop = True

    def _ask(self, *_: Any) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
        print("\nstopping after this step; Ctrl-C again stops at once, without saving", file=sys.stderr)  # noqa: T201  # click is not safe in a signal handler
