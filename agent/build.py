"""Makes the parts from the configuration. Nothing behind this file reads settings."""

from __future__ import annotations

import getpass
import os
import platform
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path

import platformdirs

from so8t.agent.config import Config, ConfigInvalid
from so8t.agent.engines import Engine, EngineUnavailable
from so8t.agent.limits import Limits
from so8t.audit_db import Masker, Store
from so8t.gate.backbones.of_head import BESIDE, open_backbone
from so8t.gate.content import ContentHead
from so8t.gate.contract import ToolSpec
from so8t.gate.gate import Gate
from so8t.gate.head import Head
from so8t.gate.head_folder import head_folder as located
from so8t.gate.models.catalogue import known
from so8t.gate.models.located import path
from so8t.gate.rules import Rules
from so8t.gate.settings import GateSettings
from so8t.tools import Toolbox, Workspace
from so8t.tools.notes import Notes
from so8t.tools.web import Hosts

PACKAGES = ("agent", "audit_db", "gate", "tools")


def data_folder() -> Path:
    """Where the trail, the history and the session locks live. Raises ConfigInvalid."""
    named = os.environ.get("SO8T_DATA")
    folder = Path(named).expanduser() if named else platformdirs.user_data_path("so8t")
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        text = f"the data folder {folder} cannot be made: {error.strerror}; SO8T_DATA names another one"
        raise ConfigInvalid(text) from None
    return folder


def workspace_folder(config: Config) -> Path:
    """The folder that the tools work in."""
    return (base_folder(config) / Path(config.settings.tools.workspace).expanduser()).resolve()


def owner(config: Config) -> str:
    """Whose calls wait in the queue: this user's, on this machine, in this folder."""
    return f"{getpass.getuser()}@{platform.node()}:{workspace_folder(config)}"


def limits(config: Config) -> Limits:
    """How many calls may wait for a reviewer."""
    return Limits(config.settings.review.most_of_session, config.settings.review.most)


def database_url(config: Config) -> str:
    """Where the trail is stored."""
    return config.settings.audit.url or f"sqlite:///{data_folder() / 'so8t.db'}"


def open_store(config: Config) -> Store:
    """The trail's database. Raises TrailError."""
    return Store.open(database_url(config), Masker(_secrets(config)))


def open_resources(config: Config) -> list[object]:
    """What tools may ask for by type: the workspace and, where hosts are allowed, the web."""
    protected = [Path(spec.origin).parent for name in PACKAGES if (spec := find_spec(f"so8t.{name}")) and spec.origin]
    protected += [config.file.resolve()] if config.file else []
    protected += [base_folder(config) / Path(path).expanduser() for path in config.settings.tools.paths]
    protected += [head_folder(config).resolve(), backbone_file(config).resolve()]
    web = config.settings.tools.http_get
    workspace = Workspace(workspace_folder(config), protected=protected, secret=[data_folder()])
    notes = Notes(data_folder() / "notes.jsonl")
    return [workspace, notes, *([Hosts(web.hosts, private=web.private)] if web.hosts else [])]


def open_toolbox(config: Config, resources: Sequence[object] | None = None) -> Toolbox:
    """All tools that can work. Raises ToolboxError."""
    tools = config.settings.tools
    paths = [base_folder(config) / Path(path).expanduser() for path in tools.paths]
    box = Toolbox.load(paths, entry_points=tools.entry_points, disabled=tools.disabled)
    return box.usable_with(open_resources(config) if resources is None else resources)


@asynccontextmanager
async def open_gate(config: Config, pinned: Sequence[ToolSpec] = ()) -> AsyncIterator[Gate]:
    """The gate with its backbone. What cannot be used is an error here, before any turn.

    Raises:
        HeadNotReady, BackboneFault, RulesError, ConfigInvalid.
    """
    settings = config.settings.gate
    try:
        chosen = GateSettings(settings.on_fault, settings.turns, settings.scripts, settings.deadline)
    except ValueError as error:
        raise ConfigInvalid(f"gate: {error}") from None
    rules = Rules(settings.rule)
    folder = head_folder(config)
    head = Head.load(folder).deciding_at(settings.allow_threshold or None, settings.refuse_threshold or None)
    backbone = await open_backbone(head, folder, backbone_file(config), settings.threads or None, settings.deadline)
    try:
        gate = Gate(backbone, head, rules, chosen, ContentHead.beside(folder, backbone))
        gate.pin(pinned)
        yield gate
    finally:
        await backbone.close()


def head_folder(config: Config) -> Path:
    """The one that the configuration names."""
    return located(config.settings.gate.head, base_folder(config))


def backbone_file(config: Config) -> Path:
    """The GGUF file that a head on a language model reads through."""
    named = config.settings.gate.backbone
    return base_folder(config) / Path(named).expanduser() if named else head_folder(config) / BESIDE


def base_folder(config: Config) -> Path:
    """What relative paths in the configuration are relative to: the file's folder, else the working folder."""
    return config.file.parent.resolve() if config.file else Path.cwd()


def open_engine(config: Config) -> Engine:
    """The language model. Heavy back ends load only when they are named. Raises EngineUnavailable."""
    model = config.settings.model
    match model.engine:
        case "llama_cpp":
            from so8t.agent.engines.llama_cpp import LlamaCpp, Options

            options = Options(
                model.llama_cpp.context,
                model.llama_cpp.threads,
                model.llama_cpp.gpu_layers,
                model.temperature,
                model.max_tokens,
                model.start_timeout,
                model.token_timeout,
            )
            return LlamaCpp(model_file(config), Path(model.llama_cpp.model).name, options)
        case "openai":
            from so8t.agent.engines.openai import OpenAI
            from so8t.agent.engines.openai import Options as OpenAIOptions

            key = os.environ.get(model.openai.api_key_env)
            limits = OpenAIOptions(model.temperature, model.max_tokens, model.token_timeout)
            return OpenAI(model.openai.base_url, model.openai.model, key, limits)
        case "scripted":
            from so8t.agent.engines.scripted import Scripted

            return Scripted.from_file(base_folder(config) / Path(model.scripted.file).expanduser())


def model_file(config: Config) -> Path:
    """The GGUF file of the language model. Raises EngineUnavailable."""
    name = config.settings.model.llama_cpp.model
    names = [model.name for model in known().values() if model.kind == "language"]
    if name in names:
        if (found := path(name)) is None:
            raise EngineUnavailable(f"the model {name} is not here yet: run `so8t models pull {name}`")
        return found
    file = base_folder(config) / Path(name).expanduser()
    if not file.is_file():
        raise EngineUnavailable(f"model.llama_cpp.model is {name!r}: neither a file nor one of {', '.join(names)}")
    return file


def _secrets(config: Config) -> dict[str, str]:
    """Values that are masked wherever they appear: of the variables that the operator names, and of the API key."""
    names = {*config.settings.audit.secrets, config.settings.model.openai.api_key_env}
    for name in config.settings.audit.secrets:
        if name not in os.environ:
            raise ConfigInvalid(f"audit.secrets names the environment variable {name}, which is not set")
    return {name.lower(): os.environ[name] for name in names if len(os.environ.get(name, "")) >= 6}
