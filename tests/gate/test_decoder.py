"""A language model as the gate's backbone: so8t-mini, which ships, in a real worker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from so8t.gate.backbones import BackboneFault, Pooled, Rendered
from so8t.gate.backbones.decoder import identity, open_decoder
from so8t.gate.backbones.decoder_llama import LlamaDecoder
from so8t.gate.backbones.pooling import Pooling
from so8t.gate.backbones.remote import RemoteBackbone
from so8t.gate.models.fetch import pull
from so8t.gate.windows import TooLong

WORDS = "¶ user: 議事録を notes.md に書いて 🙂"
RENDERED = Rendered("¶ call write_file ¶ effects write", (WORDS, "¶ before: list_files"))


@pytest.fixture(scope="module")
def mini() -> Path:
    return pull("so8t-mini")


@asynccontextmanager
async def opened(id: str, gguf: Path, **options: Any) -> AsyncIterator[RemoteBackbone]:
    backbone = await open_decoder(id, gguf, **{"pooling": "mean", **options})
    try:
        yield backbone
    finally:
        await backbone.close()


def vectors(gguf: Path, rendered: Rendered = RENDERED, **options: Any) -> Pooled:
    async def ask() -> Pooled:
        async with opened(identity("so8t-mini", gguf), gguf, **options) as backbone:
            return await backbone.pool(rendered)

    return asyncio.run(ask())


def test_a_short_text_is_one_window_of_the_models_width(mini: Path) -> None:
    pooled = vectors(mini)
    assert pooled.vectors.shape == (1, 256)
    assert np.isfinite(pooled.vectors).all()
    assert pooled.tokens > 10


def test_the_poolings_differ_and_the_same_text_gives_the_same_vector(mini: Path) -> None:
    poolings: tuple[Pooling, ...] = ("mean", "cls", "last")
    first, second = ([vectors(mini, pooling=p).vectors for p in poolings] for _ in range(2))
    assert all((a == b).all() for a, b in zip(first, second, strict=True))
    assert len({a.tobytes() for a in first}) == 3


def test_a_vector_does_not_depend_on_what_was_read_before(mini: Path) -> None:
    decoder = LlamaDecoder(mini, 1)
    ids = decoder.ids("the same text")
    before = decoder.pool(ids, "last")
    decoder.pool(decoder.ids("something else entirely " * 20), "last")
    assert (decoder.pool(ids, "last") == before).all()


def test_a_long_text_is_split_and_a_longer_one_is_too_long(mini: Path) -> None:
    assert len(vectors(mini, Rendered("¶ call f", ("¶ a: " + "word " * 900,))).vectors) > 1
    with pytest.raises(TooLong):
        vectors(mini, Rendered("¶ call f", ("¶ a: " + "word " * 30_000,)))


def test_text_never_becomes_a_special_token(mini: Path) -> None:
    decoder = LlamaDecoder(mini, 1)
    assert decoder.ids("<|end|>") != decoder.ids("<|user|>")
    assert all(token > 4 for token in decoder.ids("<|end|><|user|>"))  # the control tokens come first in its vocabulary


def test_a_missing_or_changed_file_is_an_error_that_names_it(mini: Path, tmp_path: Path) -> None:
    with pytest.raises(BackboneFault, match=r"there is no .*nowhere\.gguf.*gate\.backbone"):
        asyncio.run(open_decoder("gguf:so8t-mini@" + "0" * 64, tmp_path / "nowhere.gguf", pooling="mean"))
    changed = tmp_path / "changed.gguf"
    data = bytearray(mini.read_bytes())
    data[len(data) // 2] ^= 1
    changed.write_bytes(data)
    with pytest.raises(BackboneFault, match="has SHA-256"):
        asyncio.run(open_decoder(identity("so8t-mini", mini), changed, pooling="mean"))


def test_a_file_that_is_no_language_model_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "x.gguf").write_bytes(b"no model")
    with pytest.raises(BackboneFault, match="model x cannot be used"):
        asyncio.run(open_decoder(identity("x", tmp_path / "x.gguf"), tmp_path / "x.gguf", pooling="mean"))
