"""`so8t train export`: the head of a finished run on another kind of GGUF file, and what that changes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from so8t.gate.backbones import decoder
from so8t.gate.backbones.of_head import BESIDE
from so8t.gate.head import Head
from so8t.gate.head_save import save
from so8t.training.data import files
from so8t.training.data.example import Example
from so8t.training.data.load import NO_COPIES, Counts, read
from so8t.training.evaluation import judged_file
from so8t.training.export import kinds
from so8t.training.export.folder import export_folder
from so8t.training.finish import texts_of
from so8t.training.run_file import RunFile
from so8t.training.verdicts import Agreement, WholeText, agreement, through_gate


class ExportRunError(Exception):
    """The root of this module's errors."""


class NothingToExport(ExportRunError):
    """The run is not finished, or trained an encoder, which the gate converts by itself."""


@dataclass(frozen=True, slots=True)
class ExportedHead:
    """A head that was written."""

    folder: Path
    gguf_bytes: int
    gate: Agreement | None  # the trained model in full precision against the exported file; None: no case was asked for
    notes: tuple[str, ...]


def export_run(run: Path, kind: str, out: Path, *, most: int = 500) -> ExportedHead:
    """Write RUN's model as `kind` and its head on it to `out`, and ask it for RUN's test cases.

    Raises:
        RunMissing, NothingToExport, ExportError, HeadNotReady, JudgedBroken, DataError, GateSilent, OSError.
    """
    known = RunFile.read(run)
    kinds.check(kind)
    if known.recipe.model.kind == "encoder":
        raise NothingToExport(f"{run} trained an encoder: the gate converts it from {run / 'head'} by itself")
    if not (run / "judged.jsonl").exists():
        raise NothingToExport(f"the run in {run} is not finished: go on with `so8t train RECIPE --out {run} --resume`")
    head = Head.load(run / "head")
    name = head.meta.backbone.removeprefix(decoder.PREFIX).partition("@")[0]
    out.mkdir(parents=True, exist_ok=True)
    model = run / "model" if (run / "model").is_dir() else known.base
    judged = judged_file.read(run / "judged.jsonl")
    wanted = {about.id: number for number, about in enumerate(judged.about)}
    all_cases = _cases(known)
    others = [e for e in all_cases if e.case.id not in wanted]
    made = export_folder(model, out / BESIDE, kind, name, texts_of(others))
    on_file(head, name, out)
    cases = [e for e in all_cases if e.case.id in wanted][:most]
    if not cases:
        return ExportedHead(out, made.bytes, None, made.notes)
    first = [wanted[e.case.id] for e in cases]
    return ExportedHead(out, made.bytes, agreement(judged.at(first), through_gate(out, cases)), made.notes)


def on_file(head: Head, name: str, folder: Path) -> Head:
    """`head` once more, in `folder`, on the GGUF file that lies there."""
    meta = head.meta
    return save(
        folder,
        head.weights,
        backbone=decoder.identity(name, folder / BESIDE),
        temperature=meta.temperature,
        thresholds=meta.thresholds,
        training_data=meta.training_data,
        metrics=meta.metrics,
        pooling=meta.pooling,
    )


def _cases(known: RunFile) -> list[Example]:
    paths = [known.relative_to / path for path in known.recipe.data.cases]
    return list(read(files.found(paths), WholeText(), Counts(), copies=NO_COPIES, skip_bad_lines=True))
