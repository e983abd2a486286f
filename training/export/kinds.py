"""The kinds of GGUF file: how matrices are kept. Vectors are always F32."""

from __future__ import annotations

import gguf

from so8t.gate.names import unknown
from so8t.training.export.errors import UnknownKind

Type, File = gguf.GGMLQuantizationType, gguf.LlamaFileType

# written here, one tensor at a time
DIRECT = {
    "f32": (Type.F32, File.ALL_F32),
    "f16": (Type.F16, File.MOSTLY_F16),
    "bf16": (Type.BF16, File.MOSTLY_BF16),
    "q8_0": (Type.Q8_0, File.MOSTLY_Q8_0),
}
# made by llama.cpp from a file of floats
QUANTISED = {"q8_0": (Type.Q8_0, File.MOSTLY_Q8_0), "q4_k_m": (Type.Q4_K, File.MOSTLY_Q4_K_M)}
KINDS = tuple(DIRECT | QUANTISED)


def check(kind: str, among: tuple[str, ...] = KINDS) -> None:
    """Raises UnknownKind, which lists the kinds."""
    if kind not in among:
        raise UnknownKind(unknown("kind", kind, among))
