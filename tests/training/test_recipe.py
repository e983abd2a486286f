"""Recipes: those that ship, and every way in which a file can be wrong."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

import so8t.training
from so8t.training.recipe import Recipe, RecipeInvalid, load

SHIPPED = sorted((Path(so8t.training.__path__[0]) / "recipes").glob("*.toml"))
ENCODER = '[model]\nbase = "x"\nkind = "encoder"\n'
CAUSAL = '[model]\nbase = "x"\nkind = "causal"\n[export]\ngguf = ["q8_0"]\n'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "recipe.toml"


def read(file: Path, text: str | bytes, changes: dict[str, Any] | None = None) -> Recipe:
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return load(file, changes)


def wrong(file: Path, text: str | bytes, changes: dict[str, Any] | None = None) -> str:
    """What the error says, which is one line and begins with the file."""
    with pytest.raises(RecipeInvalid) as error:
        read(file, text, changes)
    said = str(error.value)
    assert said.startswith(str(file))
    assert "\n" not in said
    return said.removeprefix(str(file))


def test_recipes_ship() -> None:
    assert {"encoder.toml", "mini.toml"} <= {path.name for path in SHIPPED}


@pytest.mark.parametrize("shipped", SHIPPED, ids=lambda path: path.name)
def test_a_recipe_that_ships_is_valid_and_its_folders_are_there(shipped: Path) -> None:
    recipe = load(shipped)
    assert recipe.data.cases
    assert all((shipped.parent / name).is_dir() for name in recipe.data.cases)


def test_a_recipe_needs_no_more_than_its_base_and_its_kind(file: Path) -> None:
    recipe = read(file, ENCODER)
    assert (recipe.model.base, recipe.lora.r, recipe.loss.alpha, recipe.pet.strength) == ("x", 16, 2.0, 0.0)
    assert read(file, CAUSAL).export.gguf == ("q8_0",)


def test_a_loaded_recipe_cannot_be_changed(file: Path) -> None:
    recipe = read(file, ENCODER)
    with pytest.raises(ValidationError, match="frozen"):
        recipe.train.epochs = 9
    with pytest.raises(AttributeError):
        recipe.loss.alpha = 9.0


@pytest.mark.parametrize(
    ("section", "key", "nearest"),
    [
        ("lora", "target", "targets"),
        ("train", "epoch", "epochs"),
        ("data", "casses", "cases"),
        ("loss", "alhpa", "alpha"),
        ("pet", "strenght", "strength"),
        ("head_rate", "freeze_aftr", "freeze_after"),
        ("calibrate", "confidense", "confidence"),
        ("guards", "one_clas", "one_class"),
        ("export", "guf", "gguf"),
    ],
)
def test_an_unknown_key_is_an_error_that_names_the_nearest_one_and_its_section(
    file: Path, section: str, key: str, nearest: str
) -> None:
    said = wrong(file, f"{ENCODER}[{section}]\n{key} = 1\n")
    assert f"unknown key '{key}': one of {nearest}" in said
    assert said.endswith(f" in [{section}]")


def test_an_unknown_section_is_an_error_that_names_the_nearest_one(file: Path) -> None:
    assert "unknown key 'trian': one of train," in wrong(file, ENCODER + "[trian]\nepochs = 1\n")
    assert "unknown key '訓練': one of " in wrong(file, "'訓練' = 1\n" + ENCODER)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("[train]\nepochs = 'four'", "train.epochs"),
        ("[train]\nepochs = nan", "train.epochs"),
        ("[train]\nepochs = 2026-01-01", "train.epochs"),
        ("[train]\nmicro_batch = 1.5", "train.micro_batch"),
        ("[train]\noptimizer = 'adam'", "train.optimizer"),
        ("[train]\ngradient_checkpointing = 'sometimes'", "train.gradient_checkpointing"),
        ("[lora]\ntargets = 3", "lora.targets"),
        ("[lora]\nr = -1", "lora.r"),
        ("[data]\ncases = 'one.jsonl'", "data.cases"),
        ("[data]\nlongest = 5", "data.longest"),
        ("[loss]\nalpha = 'much'", "loss.alpha"),
        ("[pet]\nstrength = []", "pet.strength"),
        ("[calibrate]\nmax_false_allow = nan", "calibrate.max_false_allow"),
        ("[export]\ngguf = ['q9']", "export.gguf"),
        ("[[lora]]\nr = 1", "lora"),
    ],
)
def test_a_value_of_the_wrong_type_or_size_is_an_error_that_names_its_key(file: Path, text: str, key: str) -> None:
    assert f": {key}" in wrong(file, f"{ENCODER}{text}\n")


@pytest.mark.parametrize("text", ["model = 3\n", "", "[model]\n", "[[model]]\n", '[model]\nkind = "encoder"\n'])
def test_a_recipe_without_a_whole_model_is_an_error(file: Path, text: str) -> None:
    assert ": model" in wrong(file, text)


def test_a_value_out_of_a_schedule_or_of_the_coefficients_says_what_is_allowed(file: Path) -> None:
    assert "loss: alpha is 9.0, its range is 2 to 5: set unusual = true" in wrong(file, ENCODER + "[loss]\nalpha = 9\n")
    assert "pet: strength is -1.0, it must be 0 or more" in wrong(file, ENCODER + "[pet]\nstrength = -1\n")
    assert "head_rate: freeze_after is 0.1" in wrong(file, ENCODER + "[head_rate]\nfreeze_after = 0.1\n")
    assert read(file, ENCODER + "[loss]\nalpha = 9\nunusual = true\n").loss.alpha == 9


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (ENCODER + '[data]\nsft = "generated"\nsft_share = 0.5', "leave out data.sft and export.gguf"),
        (ENCODER + '[export]\ngguf = ["f16"]', "leave out data.sft and export.gguf"),
        ('[model]\nbase = "x"\nkind = "causal"', "set export.gguf"),
        (CAUSAL + '[data]\nsft = "generated"', "data.sft and data.sft_share go together"),
        (CAUSAL + "[data]\nsft_share = 0.5", "data.sft and data.sft_share go together"),
        (CAUSAL.replace("[export]", 'quantisation = "nf4"\n[export]') + "[lora]\nr = 0", "set lora.r to 16"),
        (ENCODER + "[lora]\nwhole = true", "a list of lora.targets"),
        (ENCODER + '[lora]\nwhole = true\nr = 0\ntargets = ["query"]', "lora.r of 16"),
        (CAUSAL + '[lora]\nwhole = true\ntargets = ["q_proj"]', "lora.whole is for encoders"),
    ],
)
def test_settings_that_contradict_each_other_are_an_error_that_says_what_to_set(
    file: Path, text: str, says: str
) -> None:
    assert says in wrong(file, text + "\n")


@pytest.mark.parametrize("text", ["[model", "model.base", "= 1", "a = 1\na = 2", "x = [1,", '"', "\x00"])
def test_a_file_that_is_no_toml_is_an_error_with_its_place(file: Path, text: str) -> None:
    said = wrong(file, ENCODER + text)
    assert "is no TOML" in said
    assert "line" in said or "end of document" in said


@pytest.mark.parametrize(
    "content", [b"\xff\xfe", ENCODER.encode("utf-16"), ENCODER.encode() + "# 説明".encode("cp932")]
)
def test_a_file_that_is_not_utf_8_is_an_error(file: Path, content: bytes) -> None:
    assert "is no TOML: 'utf-8'" in wrong(file, content)


def test_a_file_that_cannot_be_read_is_an_error(file: Path) -> None:
    with pytest.raises(RecipeInvalid, match=r"recipe\.toml cannot be read: No such file"):
        load(file)
    with pytest.raises(RecipeInvalid, match="cannot be read"):
        load(file.parent)


def test_comments_and_names_in_japanese_and_windows_line_ends_are_read(file: Path) -> None:
    text = f'# 設定\n{ENCODER}[data]\ncases = ["事例/一.jsonl"]\n'.replace("\n", "\r\n")
    assert read(file, text).data.cases == ("事例/一.jsonl",)


def test_changes_are_put_over_the_file(file: Path) -> None:
    text = ENCODER + "[train]\nepochs = 3\nmicro_batch = 2\n"
    recipe = read(file, text, {"train.epochs": 1, "lora.r": 4, "pet.strength": 0.0, "model.base": "y"})
    assert (recipe.train.epochs, recipe.train.micro_batch, recipe.lora.r) == (1, 2, 4)
    assert (recipe.pet.strength, recipe.model.base, recipe.model.kind) == (0.0, "y", "encoder")
    assert read(file, text).train.epochs == 3


def test_changes_are_checked_like_the_file(file: Path) -> None:
    assert "unknown key 'epoch': one of epochs" in wrong(file, ENCODER, {"train.epoch": 1})
    assert "unknown key 'epochs'" in wrong(file, ENCODER, {"epochs": 1})
    assert "train.epochs" in wrong(file, ENCODER, {"train.epochs": "x"})
    assert "set export.gguf" in wrong(file, ENCODER, {"model.kind": "causal"})
    assert "unknown key 'a.b'" in wrong(file, ENCODER, {"train.a.b": 1})


@given(content=st.binary(max_size=60) | st.text(max_size=60).map(lambda text: (ENCODER + text).encode()))
def test_whatever_bytes_the_file_has_it_is_a_recipe_or_an_error_of_ours(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    file = tmp_path_factory.getbasetemp() / "any.toml"
    try:
        assert isinstance(read(file, content), Recipe)
    except RecipeInvalid as error:
        assert str(error).startswith(str(file))  # noqa: PT017 - both ends are right


SECTIONS = [name for name in Recipe.model_fields if name != "model"]
VALUES = st.sampled_from(["1", "-1", "0.5", "nan", "inf", "true", "'x'", "''", "[]", "['x']", "{}", "{a = 1}", "1e400"])


@st.composite
def lines(draw: st.DrawFn) -> str:
    """One key, known or not, with any value."""
    section = draw(st.sampled_from(SECTIONS))
    annotation: Any = Recipe.model_fields[section].annotation
    fields = getattr(annotation, "model_fields", None) or annotation.__dataclass_fields__
    key = draw(st.sampled_from([*fields, "x"]))
    return f"[{section}]\n{key} = {draw(VALUES)}\n"


@given(text=lines())
def test_whatever_value_a_key_has_it_is_a_recipe_or_an_error_of_ours(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    file = tmp_path_factory.getbasetemp() / "key.toml"
    try:
        recipe = read(file, ENCODER + text)
    except RecipeInvalid as error:
        assert str(error).startswith(str(file))  # noqa: PT017 - both ends are right
    else:
        numbers = [recipe.train.body_rate, recipe.loss.alpha, recipe.pet.strength, recipe.calibrate.confidence]
        assert all(map(math.isfinite, numbers))


@pytest.mark.parametrize("text", ["x = " + "[" * 5000, "x = " + "9" * 5000])
def test_a_file_that_is_too_deep_or_too_large_a_number_is_an_error(file: Path, text: str) -> None:
    assert "is no TOML" in wrong(file, ENCODER + text)


def test_a_change_in_a_section_that_is_no_table_is_an_error(file: Path) -> None:
    assert ": lora" in wrong(file, "lora = 3\n" + ENCODER, {"lora.r": 1})


@pytest.mark.parametrize("text", ["[train]\nepochs = inf", "[train]\nevaluate_every = inf", "[lora]\nalpha = inf"])
def test_an_infinite_number_is_an_error(file: Path, text: str) -> None:
    assert "finite" in wrong(file, f"{ENCODER}{text}\n")


@pytest.mark.parametrize("seed", ["-1", "4294967296"])
def test_a_seed_that_numpy_does_not_take_is_an_error(file: Path, seed: str) -> None:
    assert ": train.seed" in wrong(file, f"{ENCODER}[train]\nseed = {seed}\n")


@pytest.mark.parametrize("text", ["[data]\ncases = []", "[data]\nvalidation = 0", "[data]\ncalibration = 0"])
def test_a_run_without_cases_of_a_part_that_it_needs_is_an_error(file: Path, text: str) -> None:
    assert ": data" in wrong(file, f"{ENCODER}{text}\n")


def test_an_empty_name_of_the_base_is_an_error(file: Path) -> None:
    assert ": model.base" in wrong(file, '[model]\nbase = ""\nkind = "encoder"\n')
