"""The log of a run: log.jsonl, one object a step or evaluation, and the same for TensorBoard where it is asked for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from so8t.training import processes


class RunLog:
    """Appends to FOLDER/log.jsonl."""

    def __init__(self, folder: Path, *, tensorboard: bool = False) -> None:
        self.file = folder / "log.jsonl"
        self._board: Any = None
        if tensorboard and processes.first():
            from torch.utils.tensorboard import SummaryWriter

            self._board = SummaryWriter(str(folder / "tensorboard"))

    def begin(self, step: int) -> list[dict[str, float]]:
        """The rows up to `step`, which stay; what a lost part of the run wrote after it is cut off."""
        try:
            lines = self.file.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            lines = []
        rows = [row for row in map(_row, lines) if row and row["step"] <= step]
        if processes.first():
            self.file.parent.mkdir(parents=True, exist_ok=True)
            part = self.file.with_suffix(".part")
            part.write_text("".join(json.dumps(row) + "\n" for row in rows if step), encoding="utf-8")
            part.replace(self.file)  # at once: other processes may be reading it
        return rows if step else []

    def write(self, values: Mapping[str, float], step: int, epoch: float) -> None:
        """One line, by the first of several processes."""
        if not processes.first():
            return
        with self.file.open("a", encoding="utf-8") as log:
            log.write(json.dumps({"step": step, "epoch": round(epoch, 4), **values}) + "\n")
        if self._board:
            for name, value in values.items():
                self._board.add_scalar(name, value, step)
            self._board.flush()


def _row(line: str) -> dict[str, float] | None:
    try:
        row = json.loads(line)
    except ValueError:  # cut off where the run was killed
        return None
    return row if isinstance(row, dict) and isinstance(row.get("step"), int) else None
