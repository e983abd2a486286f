"""Every setting, its default and its meaning. agent.toml says the same; a test holds the two equal."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from so8t.gate.rules import Rule


class Section(BaseModel):
    """What all sections share: no unknown keys, no change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


Seconds = Annotated[float, Field(gt=0, le=86_400)]


class LlamaCpp(Section):
    """A GGUF file on this machine."""

    model: str = "so8t-mini"  # a name from `so8t models list`, or the path of a GGUF file
    context: Annotated[int, Field(ge=256, le=1_048_576)] = 4096
    threads: Annotated[int, Field(ge=0, le=1024)] = 0  # 0: the number of cores
    gpu_layers: Annotated[int, Field(ge=-1)] = 0


class OpenAI(Section):
    """Any OpenAI-compatible endpoint."""

    base_url: str = "http://127.0.0.1:8000/v1"
    model: str = ""
    api_key_env: str = "OPENAI_API_KEY"  # the variable that holds the key, never the key itself


class Scripted(Section):
    """Replies from a file, for demos and tests."""

    file: str = ""


class Model(Section):
    """The language model."""

    engine: Literal["llama_cpp", "openai", "scripted"] = "llama_cpp"
    system_prompt: str = "You are a helpful assistant. Use a tool when one fits; answer briefly."
    temperature: Annotated[float, Field(ge=0, le=2)] = 0.0
    max_tokens: Annotated[int, Field(ge=1)] = 1024
    start_timeout: Seconds = 120.0
    token_timeout: Seconds = 120.0  # the longest silence between two pieces of an answer
    llama_cpp: LlamaCpp = LlamaCpp()
    openai: OpenAI = OpenAI()
    scripted: Scripted = Scripted()


class Gate(Section):
    """The decision before every call."""

    head: str = "default"  # a head that ships with so8t, or the path of a head folder
    backbone: str = ""  # the GGUF file of a head on a language model; "": backbone.gguf in the head's folder
    allow_threshold: Annotated[float, Field(ge=0, le=2)] = 0.0  # the least p(ALLOW) of an ALLOW; 0: the head's own
    refuse_threshold: Annotated[float, Field(ge=0, le=2)] = 0.0  # the same of REFUSE
    turns: Literal["off", "flag", "enforce"] = "enforce"
    on_fault: Literal["escalate", "refuse"] = "escalate"
    deadline: Seconds = 20.0
    threads: Annotated[int, Field(ge=0, le=1024)] = 0
    scripts: tuple[str, ...] = ("Latin",)  # what the backbone reads
    rule: tuple[Rule, ...] = ()


class HttpGet(Section):
    """The tool http_get. Off while `hosts` is empty."""

    hosts: tuple[str, ...] = ()
    private: bool = False


class Tools(Section):
    """The tools that the model may propose."""

    workspace: str = "."
    paths: tuple[str, ...] = ()
    entry_points: bool = True
    disabled: tuple[str, ...] = ()
    concurrency: Annotated[int, Field(ge=1, le=64)] = 8
    http_get: HttpGet = HttpGet()


class Audit(Section):
    """The trail and the review queue."""

    url: str = ""  # empty: so8t.db in the user's data folder
    secrets: tuple[str, ...] = ()  # names of environment variables whose values are masked


class Review(Section):
    """How long a call waits for a person, how many may wait, and who the reviewer is."""

    expires_hours: Annotated[float, Field(gt=0, le=8760)] = 72.0
    reviewer: str = ""  # empty: the name of the logged-in user
    most_of_session: Annotated[int, Field(ge=1, le=1_000_000)] = 50  # calls of one session that may wait at once
    most: Annotated[int, Field(ge=1, le=1_000_000)] = 1000  # calls of all sessions


class Budget(Section):
    """What one user turn may use."""

    steps: Annotated[int, Field(ge=1, le=1000)] = 8
    calls: Annotated[int, Field(ge=1, le=1000)] = 16


class Settings(Section):
    """All of agent.toml."""

    model: Model = Model()
    gate: Gate = Gate()
    tools: Tools = Tools()
    audit: Audit = Audit()
    review: Review = Review()
    budget: Budget = Budget()
