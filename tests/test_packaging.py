"""What is built and installed: the wheel alone runs so8t, the source distribution runs its tests."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import packages_distributions
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("agent", "audit_db", "gate", "tools", "training")
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LEFTOVERS = shutil.ignore_patterns(
    ".*_cache", ".git", ".hypothesis", ".venv", "__pycache__", "*.egg-info", "build", "dist", "runs", "shared"
)
ENCODER = "all-MiniLM-L6-v2"


def files(*folders: str) -> set[str]:
    """Every file in these folders, as a path in the repository."""
    found = (path.relative_to(ROOT) for folder in folders for path in (ROOT / folder).rglob("*") if path.is_file())
    return {path.as_posix() for path in found if "__pycache__" not in path.parts}


@dataclass(frozen=True)
class Built:
    """The wheel, and the names of the files in the source distribution."""

    wheel: Path
    source: set[str]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Both, built from a copy of the repository: the wheel from the source distribution, as pip would."""
    copy, out = tmp_path_factory.mktemp("copy") / "so8t", tmp_path_factory.mktemp("dist")
    shutil.copytree(ROOT, copy, ignore=LEFTOVERS)
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", out, copy]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    with tarfile.open(next(out.glob("*.tar.gz"))) as source:
        names = {PurePosixPath(*PurePosixPath(m.name).parts[1:]).as_posix() for m in source if m.isfile()}
    return Built(next(out.glob("*.whl")), names)


@pytest.fixture(scope="module")
def installed(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel's files, and nothing else of so8t."""
    place = tmp_path_factory.mktemp("installed")
    with zipfile.ZipFile(built.wheel) as wheel:
        wheel.extractall(place)
    return place


def test_every_folder_with_code_is_a_listed_package() -> None:
    found = {PurePosixPath(file).parent for file in files(*FOLDERS) if file.endswith(".py")}
    assert sorted(PROJECT["tool"]["setuptools"]["packages"]) == sorted(".".join(("so8t", *p.parts)) for p in found)


def test_the_wheel_holds_every_file_of_the_packages_and_nothing_else(built: Built) -> None:
    with zipfile.ZipFile(built.wheel) as wheel:
        names = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert names == {f"so8t/{file}" for file in files(*FOLDERS)}


def test_what_must_be_in_the_wheel_is_in_it(built: Built) -> None:
    with zipfile.ZipFile(built.wheel) as wheel:
        names = set(wheel.namelist())
        entry_points = wheel.read(next(n for n in names if n.endswith("/entry_points.txt"))).decode()
    needed = ["agent/models/so8t-mini.gguf", "gate/models/models.toml", "gate/heads/default/head.json"]
    needed += ["gate/heads/default/head.safetensors", "training/sources.toml"]
    needed += [f"{folder}/py.typed" for folder in FOLDERS]
    assert {f"so8t/{file}" for file in needed} <= names
    assert any(re.fullmatch(r"so8t/audit_db/migrations/versions/\w+\.py", name) for name in names)
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)
    assert "so8t = so8t.agent.cli.main:main" in entry_points


def test_the_source_distribution_holds_all_that_the_tests_need(built: Built) -> None:
    top = {"README.md", "LICENSE", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "Makefile", "agent.toml"}
    assert files(*FOLDERS, "tests", "benchmarks", ".ci") | top | {"pyproject.toml"} <= built.source


def run(installed: Path, folder: Path, code: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run Python on the wheel's files, in an empty folder, with data, settings and home of its own."""
    own = {"PYTHONPATH": str(installed), "SO8T_DATA": str(folder / "data"), "PYTHONUTF8": "1"}
    own |= {name: str(folder / "home") for name in ("HOME", "USERPROFILE", "XDG_CONFIG_HOME", "XDG_DATA_HOME")}
    kept = {n: v for n, v in os.environ.items() if not n.startswith("SO8T_") or n == "SO8T_CACHE"}
    (folder / "work").mkdir(exist_ok=True)
    return subprocess.run(
        [sys.executable, "-c", code, *words],
        cwd=folder / "work",
        env=kept | own,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )


PROGRAM = "from so8t.agent.cli.main import main; main()"


def test_the_wheel_alone_is_what_runs(installed: Path, tmp_path: Path) -> None:
    code = "import sys, so8t.agent.chat.app\nprint(*(m.__file__ for n, m in sys.modules.items() if n[:5] == 'so8t.'))"
    done = run(installed, tmp_path, code)
    assert done.returncode == 0, done.stderr
    assert all(file in ("None", "") or Path(file).is_relative_to(installed) for file in done.stdout.split())


def test_from_the_wheel_alone_the_doctor_finds_everything(installed: Path, tmp_path: Path) -> None:
    """But for the encoder, which is downloaded: without it the doctor says how to get it."""
    from so8t.gate.models.located import path

    done = run(installed, tmp_path, PROGRAM, "doctor", "--json")
    checks = {check["name"]: check for check in map(json.loads, done.stdout.splitlines())}
    assert {name for name, check in checks.items() if not check["ok"]} <= {"backbone", "gate"}, checks
    assert len(checks) == 8
    if path(ENCODER) is None:
        assert f"so8t models pull {ENCODER}" in checks["backbone"]["text"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("models", "list"), "so8t-mini.gguf"),
        (("tools", "list"), "write_file"),
        (("config", "show"), "gate.head"),
        (("audit", "verify"), "the chain holds"),
        (("review", "list"), "no call waits"),
        (("train", "--help"), "Example: so8t train"),
    ],
)
def test_from_the_wheel_alone_every_command_finds_its_files(
    installed: Path, tmp_path: Path, words: tuple[str, ...], says: str
) -> None:
    done = run(installed, tmp_path, PROGRAM, *words)
    assert (done.returncode, done.stderr) == (0, "")
    assert says in done.stdout


def third_party(folder: str) -> Iterator[tuple[str, str]]:
    """(file, top-level name) of every import from outside Python and so8t."""
    for file in sorted(files(folder)):
        if not file.endswith(".py"):
            continue
        for node in ast.walk(ast.parse((ROOT / file).read_text(encoding="utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                names = [node.module]
            for name in (name.partition(".")[0] for name in names):
                if name not in sys.stdlib_module_names and name != "so8t":
                    yield file, name


def distributions(requirements: list[str]) -> set[str]:
    found = (re.match(r"[A-Za-z0-9._-]+", requirement) for requirement in requirements)
    return {re.sub(r"[-_.]+", "-", match[0]).lower() for match in found if match}


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_import_is_a_declared_dependency(folder: str) -> None:
    """A library that is there only because another one needs it may be gone tomorrow."""
    declared = distributions(PROJECT["project"]["dependencies"])
    if folder == "training":
        declared |= distributions(PROJECT["project"]["optional-dependencies"]["train"])
    providers = packages_distributions()
    undeclared = {
        (file, name) for file, name in third_party(folder) if not distributions(providers.get(name, [name])) & declared
    }
    assert undeclared == set()
