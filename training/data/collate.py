"""Rows into the tensors of a batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from so8t.training.data.rows import IGNORED, Row

Batch = dict[str, Tensor]


class RowEmpty(ValueError):
    """A row has no token: its pooled state would be NaN."""


@dataclass(frozen=True, slots=True)
class Collator:
    """Pads rows to one length. `Tokens.pad` gives the id; any id would do, since the mask decides.

    With side "left", give the model position_ids if its positions are absolute.
    """

    pad: int
    side: Literal["right", "left"] = "right"
    multiple: int = 1  # T is a multiple of it

    def __call__(self, rows: Sequence[Row]) -> Batch:
        """input_ids, attention_mask, labels (B, T) int64, target (B,) int64, weight (B,) float32.

        labels hold the id where the language model learns it, else -100; they are not shifted.

        Raises:
            RowEmpty: a row without any token.
        """
        if not rows or min(len(row.ids) for row in rows) == 0:
            raise RowEmpty("a row of the batch has no token: every text must have at least one")
        width = -(-max(len(row.ids) for row in rows) // self.multiple) * self.multiple
        ids = torch.full((len(rows), width), self.pad)  # (B, T)
        mask = torch.zeros_like(ids)
        labels = torch.full_like(ids, IGNORED)
        for b, row in enumerate(rows):
            at = slice(0, len(row.ids)) if self.side == "right" else slice(width - len(row.ids), width)
            ids[b, at] = torch.from_numpy(row.ids).long()
            mask[b, at] = 1
            if row.learnt is not None:
                labels[b, at] = ids[b, at].masked_fill(~torch.from_numpy(row.learnt), IGNORED)
        return {
            "input_ids": ids,
            "attention_mask": mask,
            "labels": labels,
            "target": torch.tensor([row.target for row in rows]),
            "weight": torch.tensor([row.weight for row in rows], dtype=torch.float32),
        }
