"""What is converted, and into what. Apart from convert_bert.py, whose imports are slow: each start would wait."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

VERSION = 1  # of the output: part of the cache key
Dtype = Literal["f32", "f16", "bf16", "q8_0"]


class ConvertError(Exception):
    """The files are no BERT encoder that can be converted."""


@dataclass(frozen=True, slots=True)
class BertFiles:
    """The files of one encoder, as Hugging Face names them."""

    weights: Path  # model.safetensors
    vocab: Path  # vocab.txt
    config: Path  # config.json
