"""models.toml and its names."""

from __future__ import annotations

import pytest

from so8t.gate.models.catalogue import PyPI, UnknownModel, find, known


def test_every_file_that_comes_from_elsewhere_has_a_size_and_a_hash() -> None:
    for model in known().values():
        if model.packaged is None:
            assert all(file.size and file.sha256 for file in model.file), model.name


def test_the_default_encoder_has_weights_vocabulary_and_configuration() -> None:
    model = find("all-MiniLM-L6-v2")
    assert {file.role for file in model.file} == {"weights", "vocab", "config"}
    assert model.weights.sha256 == "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
    assert model.licence == "Apache-2.0"
    assert isinstance(model.source[0], PyPI)


@pytest.mark.parametrize(("typed", "first"), [("so8t-mni", "so8t-mini"), ("all-MiniLM", "all-MiniLM-L6-v2"), ("", "")])
def test_an_unknown_name_lists_the_known_ones_nearest_first(typed: str, first: str) -> None:
    with pytest.raises(UnknownModel) as caught:
        find(typed)
    listed = str(caught.value).partition(": one of ")[2]
    assert listed.startswith(first)
    assert set(listed.split(", ")) == set(known())
