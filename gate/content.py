"""A second head on the same backbone: does what a tool brought back carry instructions to whoever reads it?

Where it does, a call with effects has the floor ESCALATE, unless the user's own words give every value of it.
It lies beside the first head as content.json: one weight for each number of the pooled vector, a bias, a threshold.
"""

from __future__ import annotations

import hashlib
import math
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from so8t.gate import provenance
from so8t.gate.backbones import Backbone, Rendered
from so8t.gate.contract import Decision, Finding, Proposal, Source
from so8t.gate.head_file import HeadNotReady, seal
from so8t.gate.render import text_of
from so8t.gate.sources import Sources
from so8t.gate.strict_json import StrictJsonError, loads
from so8t.gate.windows import FIELD

NAME = "content.json"
PIECE = 400  # characters that are judged at once: an order hides in a long text, not in its neighbourhood
OVERLAP = 100
REMEMBERED = 500  # tool results whose judgement is kept


class ContentFile(BaseModel):
    """The content of content.json."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1]
    backbone: str = Field(description="Backbone.id, exactly")
    weights: tuple[float, ...] = Field(min_length=1, description="(D,)")
    bias: float = Field(allow_inf_nan=False)
    threshold: float = Field(gt=0, lt=1, description="p of a piece from which on the text counts as an instruction")
    training_data: str
    metrics: dict[str, float]
    checksum: str


class ContentHead:
    """Judges the tool messages of a conversation. Each text is read once and remembered by its digest."""

    def __init__(self, file: ContentFile, digest: str, backbone: Backbone) -> None:
        self.digest = digest  # SHA-256 (hex) of content.json
        self.file = file
        self._backbone = backbone
        self._weights = np.array(file.weights, np.float64)  # (D,)
        self._known: OrderedDict[str, float] = OrderedDict()

    @classmethod
    def beside(cls, folder: Path, backbone: Backbone) -> ContentHead | None:
        """The one in a head's folder; None where there is none. Raises HeadNotReady."""
        path = folder / NAME
        if not path.exists():
            return None
        try:
            text = path.read_bytes()
            file = ContentFile.model_validate(loads(text.decode("utf-8")))
        except (OSError, UnicodeDecodeError, StrictJsonError, ValidationError) as error:
            raise HeadNotReady(f"{path} is damaged ({str(error).splitlines()[0]}): restore or train it again") from None
        if text != seal(loads(text.decode())).encode():
            raise HeadNotReady(f"{path} was changed after it was saved (checksum): restore or train it again")
        if file.backbone != backbone.id or len(file.weights) != backbone.dimension:
            raise HeadNotReady(f"{path} is for the backbone {file.backbone}, this is {backbone.id}: train it again")
        return cls(file, hashlib.sha256(text).hexdigest(), backbone)

    async def judge(self, proposal: Proposal) -> tuple[Finding, ...]:
        """An ESCALATE finding for each tool whose words carry instructions, where the call may follow them.

        Raises:
            BackboneFault: the gate makes it a fault.
        """
        if proposal.call is None or (proposal.tool is not None and proposal.tool.only_reads):
            return ()
        marks = provenance.marks(proposal, Sources.of(proposal.messages))
        if marks and all(mark.origin == "user" for mark in marks):
            return ()  # a call without arguments says nothing of whose wish it is
        said = [(m.tool or "a tool", m.content) for m in proposal.messages if m.role == "tool" and m.content.strip()]
        tools = [tool for tool, text in said if await self.probability(text) >= self.file.threshold]
        return tuple(
            Finding(Source.PROVENANCE, Decision.ESCALATE, f"what {tool} brought back carries instructions of its own")
            for tool in dict.fromkeys(tools)
        )

    async def probability(self, text: str) -> float:
        """That the text carries instructions: of its pieces, the greatest. Raises BackboneFault."""
        key = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
        if key not in self._known:
            self._known[key] = max([self._of(await vector_of(self._backbone, piece)) for piece in pieces(text)])
            while len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        self._known.move_to_end(key)
        return self._known[key]

    def _of(self, vector: NDArray[np.float32]) -> float:
        z = float(vector.astype(np.float64) @ self._weights) + self.file.bias
        return 1 / (1 + math.exp(-z)) if z > -700 else 0.0


async def vector_of(backbone: Backbone, piece: str) -> NDArray[np.float32]:
    """(D,): what the content head reads of one piece."""
    pooled = await backbone.pool(rendered_piece(piece))
    vector: NDArray[np.float32] = pooled.vectors.mean(axis=0)
    return vector / max(float(np.linalg.norm(vector)), 1e-12)


def rendered_piece(piece: str) -> Rendered:
    """One piece as the backbone reads it. Training imports it, so that the two cannot drift."""
    return Rendered(f"{FIELD} tool result", (piece,))


def pieces(text: str) -> Iterator[str]:
    """The text in overlapping pieces, cut at spaces where there are any; at least one."""
    plain = text_of(text)
    start = 0
    while True:
        end = start + PIECE
        if end >= len(plain):
            yield plain[start:]
            return
        space = plain.rfind(" ", start + OVERLAP + 1, end)
        end = space if space > 0 else end
        yield plain[start:end]
        start = end - OVERLAP
