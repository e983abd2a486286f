"""agent.toml: where it is found, what it may say, and where each value came from.

Settings stop at the builder (agent/build.py): nothing behind it reads configuration.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import platformdirs
from pydantic import BaseModel, ValidationError
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsError

from so8t.agent.settings import Settings

FILE_NAME = "agent.toml"
OWN_VARIABLES = {"SO8T_CONFIG", "SO8T_CACHE", "SO8T_DATA", "SO8T_DEBUG"}  # read elsewhere, no settings


class ConfigError(Exception):
    """The root of this module's errors. The message is one line a user can act on."""


class ConfigNotFound(ConfigError):
    """The file that --config or SO8T_CONFIG names is not there."""


class ConfigUnreadable(ConfigError):
    """The file is no UTF-8 TOML."""


class ConfigInvalid(ConfigError):
    """A key is unknown or a value does not fit."""


@dataclass(frozen=True, slots=True)
class Config:
    """Settings with their origin."""

    settings: Settings
    file: Path | None
    origins: Mapping[str, str]  # dotted key -> "agent.toml", "environment"; absent: the default

    def origin(self, key: str) -> str:
        """Where the value of a dotted key came from."""
        return self.origins.get(key, "default")


def find(folder: Path, environ: Mapping[str, str]) -> Path | None:
    """The file that counts: SO8T_CONFIG, else the working folder's, else the user's. Raises ConfigNotFound."""
    if named := environ.get("SO8T_CONFIG"):
        path = Path(named).expanduser()
        if not path.is_file():
            raise ConfigNotFound(f"SO8T_CONFIG names {path}, which is not there")
        return path
    candidates = (folder / FILE_NAME, platformdirs.user_config_path("so8t") / FILE_NAME)
    return next((path for path in candidates if os.path.lexists(path)), None)  # an unreadable one is told, not skipped


def load(folder: Path | None = None, file: Path | None = None, environ: Mapping[str, str] | None = None) -> Config:
    """Read the configuration. Raises ConfigError."""
    environ = os.environ if environ is None else environ
    if file is not None and not file.is_file():
        raise ConfigNotFound(f"there is no configuration file {file}")
    file = file or find(folder or Path.cwd(), environ)
    from_file = _read(file) if file else {}
    from_env = _environment(environ)
    try:
        settings = Settings.model_validate(_merged(from_file, from_env))
    except ValidationError as error:
        raise ConfigInvalid(_explain(error, file)) from None
    origins = {key: str(file) for key in _leaves(from_file)} | dict.fromkeys(_leaves(from_env), "environment")
    return Config(settings, file, origins)


def flatten(model: BaseModel, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every setting as (dotted key, value), in the order of the file."""
    for name in type(model).model_fields:
        value = getattr(model, name)
        if isinstance(value, BaseModel):
            yield from flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ConfigUnreadable(f"{file}: {error.strerror}") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigUnreadable(f"{file}: {error}") from None


def _environment(environ: Mapping[str, str]) -> dict[str, Any]:
    names = {key for key in environ if key.upper().startswith("SO8T_") and key.upper() not in OWN_VARIABLES}
    if not names:
        return {}
    valid = {"SO8T_" + key.upper().replace(".", "__"): key for key in _keys(Settings)}
    for name in sorted(names):
        if name.upper() not in valid:
            raise ConfigInvalid(f"the environment variable {name} is no setting{_nearest(name.upper(), list(valid))}")
    source = _source(environ)
    try:
        return dict(source())
    except SettingsError:
        said = ", ".join(sorted(names))
        raise ConfigInvalid(f"the environment ({said}): lists and tables are written as JSON") from None


def _source(environ: Mapping[str, str]) -> PydanticBaseSettingsSource:
    """Settings as pydantic-settings sees them: SO8T_GATE__TURNS=flag is gate.turns."""
    model = cast("type[BaseSettings]", Settings)  # it reads the fields, as any model has them
    source = EnvSettingsSource(model, env_prefix="SO8T_", env_nested_delimiter="__", case_sensitive=False)
    source.env_vars = {key.lower(): value for key, value in environ.items()}
    return source


def _keys(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _keys(field.annotation, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


def _merged(low: Mapping[str, Any], high: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(low)
    for key, value in high.items():
        below = result.get(key)
        result[key] = _merged(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return result


def _leaves(table: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"


def _explain(error: ValidationError, file: Path | None) -> str:
    problem = error.errors(include_url=False)[0]
    key = ".".join(str(part) for part in problem["loc"])
    where = f"{file}: " if file else "configuration: "
    if problem["type"] == "extra_forbidden":
        return f"{where}unknown key {key}{_nearest(key, _neighbours(problem['loc']))}"
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    return f"{where}{key}: {problem['msg']}{more}"


def _neighbours(location: tuple[int | str, ...]) -> list[str]:
    """The valid keys beside an unknown one, for a nested table or a list of tables."""
    model: Any = Settings
    for part in location[:-1]:
        if isinstance(part, str) and part in model.model_fields:
            annotation = model.model_fields[part].annotation
            inner = getattr(annotation, "__args__", (annotation,))[0]
            model = inner if isinstance(inner, type) and issubclass(inner, BaseModel) else model
    parent = "".join(f"{part}." for part in location[:-1])
    return [parent + (field.alias or name) for name, field in model.model_fields.items()]


def _nearest(name: str, valid: list[str]) -> str:
    close = difflib.get_close_matches(name, valid, n=1, cutoff=0.5)
    return f": did you mean {close[0]}?" if close else f": valid here are {', '.join(valid)}"
