"""`so8t train eval`: a head asked for labelled cases through the gate's backbone, and the report about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from so8t.gate.head import Head
from so8t.training.data import files
from so8t.training.data.load import NO_COPIES, Counts, NoCases, read
from so8t.training.evaluation import facts, judged_file, report
from so8t.training.evaluation.judged import Judged
from so8t.training.verdicts import WholeText, through_gate


@dataclass(frozen=True, slots=True)
class Measured:
    """What a head said of N cases."""

    head: Head
    folder: Path
    judged: Judged
    counts: Counts  # lines that were left out

    def write_report(self, out: Path, max_false_allow: float) -> Path:
        """OUT/report.html, plots and judged.jsonl. Raises OSError."""
        meta = self.head.meta
        known = {
            "head": f"{self.folder}, digest {self.head.digest}",
            "backbone": meta.backbone,
            "cases": f"{len(self.judged):,}; {self.counts}",
            **facts.machine("CPU, llama.cpp"),
        }
        out.mkdir(parents=True, exist_ok=True)
        judged_file.write(out / "judged.jsonl", self.judged)
        background = report.Background(self.folder.resolve().name, known)
        return report.write(out, self.judged, background, thresholds=meta.thresholds, max_false_allow=max_false_allow)


def measure(
    folder: Path, paths: Sequence[Path], *, backbone: Path | None = None, skip_bad_lines: bool = False
) -> Measured:
    """Ask the head in `folder` for every labelled case in `paths`, JSONL files and folders of them.

    Raises:
        DataError: FileMissing, CasesBroken, DuplicateId, NoCases.
        HeadNotReady, GateSilent.
    """
    head = Head.load(folder)
    counts = Counts()
    cases = list(read(files.found(paths), WholeText(), counts, copies=NO_COPIES, skip_bad_lines=skip_bad_lines))
    if not cases:
        raise NoCases(f"there is no labelled case ({counts}): name files in the form of gate/cases.py")
    with tqdm(total=len(cases), unit="case", dynamic_ncols=True, disable=None) as bar:
        judged = through_gate(folder, cases, backbone=backbone, done=bar.update)
    return Measured(head, folder, judged, counts)
