"""RUN/run.json: by what recipe a folder was trained, so that resuming and exporting need not be told again."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from so8t.training.recipe import Recipe

NAME = "run.json"


class RunFileError(Exception):
    """The root of this module's errors."""


class RunMissing(RunFileError):
    """The folder is no run, or its run.json is damaged."""


class RecipeChanged(RunFileError):
    """The run began with another recipe. The message names the first key that differs."""


@dataclass(frozen=True, slots=True)
class RunFile:
    """What a run began with."""

    recipe: Recipe
    relative_to: Path  # the folder that the recipe's paths start at
    base: Path  # folder of the base model

    def write(self, folder: Path) -> None:
        """Raises OSError."""
        folder.mkdir(parents=True, exist_ok=True)
        recipe = self.recipe.model_dump(mode="json")
        value = {"recipe": recipe, "relative_to": str(self.relative_to.resolve()), "base": str(self.base.resolve())}
        (folder / NAME).write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> RunFile:
        """Raises RunMissing."""
        try:
            value = json.loads((folder / NAME).read_text(encoding="utf-8"))
            recipe = Recipe.model_validate(value["recipe"])
            return cls(recipe, Path(value["relative_to"]), Path(value["base"]))
        except OSError:
            raise RunMissing(f"{folder} is no training run (it has no {NAME}): name the folder of one") from None
        except (ValueError, KeyError, TypeError, ValidationError) as error:
            raise RunMissing(f"{folder / NAME} is damaged: {str(error).splitlines()[0]}") from None


def check_same(folder: Path, recipe: Recipe) -> None:
    """Resuming is only the same run by the same recipe. Raises RunMissing, RecipeChanged."""
    before, now = RunFile.read(folder).recipe.model_dump(mode="json"), recipe.model_dump(mode="json")
    for section, values in before.items():
        for key, value in values.items():
            if now[section][key] != value:
                raise RecipeChanged(
                    f"{section}.{key} was {value!r} when the run in {folder} began and is {now[section][key]!r} now:"
                    " resume with the old value, or begin anew with another --out"
                )
