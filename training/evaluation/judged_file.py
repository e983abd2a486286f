"""Judged cases as JSONL, one line a case, so that evaluation can be repeated without the model.

{"id": "areas-0002", "target": "ESCALATE", "decision": "ALLOW", "probabilities": [0.61, 0.3, 0.09],
 "logits": [1.2, 0.5, -0.7]?, "category": "files", "language": "en", "difficulty": "hard", "source": "areas",
 "pair": "areas-files-1", "kind": "call" | "turn", "text": "what the head read", "rationale": "why it is so"}
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import BaseModel, TypeAdapter, ValidationError

from so8t.gate.strict_json import StrictJsonError, loads
from so8t.training.evaluation.judged import LABELS, About, Judged, JudgedError, JudgedInvalid


class JudgedBroken(JudgedError):
    """A file of judged cases cannot be read. The message names the file and the line."""


class _Verdict(BaseModel):
    target: Literal["ALLOW", "ESCALATE", "REFUSE", "UNSAFE"]
    decision: Literal["ALLOW", "ESCALATE", "REFUSE"]
    probabilities: tuple[float, float, float]
    logits: tuple[float, float, float] | None = None


_ABOUT = TypeAdapter(About)


def write(file: Path, judged: Judged) -> None:
    """Write all cases; `read` gives the same numbers back."""
    with file.open("w", encoding="utf-8", newline="\n") as out:
        for i, about in enumerate(judged.about):
            line = {
                "target": LABELS[judged.target[i]],
                "decision": LABELS[judged.decisions[i]],
                "probabilities": judged.probabilities[i].tolist(),
                **({} if judged.logits is None else {"logits": judged.logits[i].tolist()}),
            }
            out.write(json.dumps(asdict(about) | line) + "\n")


def read(file: Path) -> Judged:
    """Raises JudgedBroken."""
    try:
        with file.open("rb") as lines:
            rows = list(_rows(file, lines))
    except OSError as error:
        raise JudgedBroken(f"{file} cannot be read: {error.strerror}") from None
    if not rows:
        raise JudgedBroken(f"{file} holds no case")
    logits = [verdict.logits for verdict, _ in rows if verdict.logits is not None]
    if len(logits) not in (0, len(rows)):
        raise JudgedBroken(f"{file}: {len(logits)} of {len(rows)} lines have logits: all must, or none")
    try:
        return Judged(
            np.array([verdict.probabilities for verdict, _ in rows], np.float64),
            np.array([LABELS.index(verdict.target) for verdict, _ in rows], np.int64),
            np.array([LABELS.index(verdict.decision) for verdict, _ in rows], np.int64),
            tuple(about for _, about in rows),
            np.array(logits, np.float64) if logits else None,
        )
    except JudgedInvalid as error:
        raise JudgedBroken(f"{file}: {error}") from None


def _rows(file: Path, lines: Iterable[bytes]) -> Iterator[tuple[_Verdict, About]]:
    for number, line in enumerate(lines, 1):
        try:
            if line.strip():
                yield _row(loads(line.decode("utf-8")))
        except UnicodeDecodeError:
            raise JudgedBroken(f"{file}, line {number}: not UTF-8") from None
        except StrictJsonError as error:
            raise JudgedBroken(f"{file}, line {number}: {error}") from None
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(map(str, first["loc"])) or "the line"
            raise JudgedBroken(f"{file}, line {number}: {where}: {first['msg']}") from None


def _row(data: object) -> tuple[_Verdict, About]:
    verdict = _Verdict.model_validate(data)
    assert isinstance(data, dict)
    return verdict, _ABOUT.validate_python({k: v for k, v in data.items() if k not in _Verdict.model_fields})
