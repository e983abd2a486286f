"""Who may import whom, and what the runtime never loads."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[1]
RUNTIME = ("agent", "audit_db", "gate", "tools")


@pytest.fixture
def lint() -> ModuleType:
    """A fresh copy of .ci/lint.py."""
    spec = importlib.util.spec_from_file_location("so8t_lint", ROOT / ".ci" / "lint.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_no_folder_imports_against_the_design(lint: ModuleType) -> None:
    assert list(lint.layers()) == []


@pytest.mark.parametrize(
    ("folder", "line", "says"),
    [
        ("gate", "import so8t.tools", "so8t.gate may not import so8t.tools"),
        ("gate", "from so8t import agent", "so8t.gate may not import so8t.agent"),
        ("tools", "from so8t.audit_db import Trail", "so8t.tools may not import so8t.audit_db"),
        ("audit_db", "def f() -> None:\n    import so8t.agent.loop", "so8t.audit_db may not import so8t.agent"),
        ("agent", "from so8t.training import chat", "so8t.agent may not import so8t.training"),
        ("training", "import so8t.agent", "so8t.training may not import so8t.agent"),
        ("agent", "import torch.nn", "only so8t.training may import torch"),
        ("gate", "from transformers import AutoModel", "only so8t.training may import transformers"),
        ("agent", "from gate.contract import Call", "import so8t.gate, not gate"),
    ],
)
def test_the_check_finds_an_import_against_the_design(
    lint: ModuleType, tmp_path: Path, folder: str, line: str, says: str
) -> None:
    (tmp_path / folder).mkdir()
    (tmp_path / folder / "bad.py").write_text(line, encoding="utf-8")
    lint.ROOT = tmp_path
    assert any(says in problem for problem in lint.layers())


def loaded(code: str) -> set[str]:
    """The modules that a fresh Python has loaded after `code`."""
    command = [sys.executable, "-c", f"{code}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


def modules(folder: str) -> list[str]:
    files = (file.relative_to(ROOT).with_suffix("") for file in sorted((ROOT / folder).rglob("*.py")))
    names = (".".join(("so8t", *file.parts)).removesuffix(".__init__") for file in files)
    programs = ("so8t.audit_db.migrations.", "so8t.gate.worker.__main__")  # alembic and the supervisor run these
    return [name for name in names if not name.startswith(programs)]


def test_no_part_of_the_runtime_loads_what_only_training_needs(lint: ModuleType) -> None:
    names = [name for folder in RUNTIME for name in modules(folder)]
    assert "so8t.agent.chat.app" in names
    found = loaded("import importlib\nfor name in " + repr(names) + ":\n    importlib.import_module(name)")
    assert set(names) <= found
    assert {name.partition(".")[0] for name in found} & lint.ONLY_TRAINING == set()
    assert {name for name in found if name.startswith("so8t.training")} == set()


def test_the_help_loads_nothing_heavy() -> None:
    code = "import sys\nfrom so8t.agent.cli.main import main\nsys.argv = ['so8t', '--help']\ntry:\n    main()\n"
    found = {name.partition(".")[0] for name in loaded(code + "except SystemExit:\n    pass")}
    assert found & {"sqlalchemy", "alembic", "numpy", "prompt_toolkit", "llama_cpp", "httpx", "jinja2", "gguf"} == set()


def test_the_chat_and_the_gate_load_native_code_only_in_their_workers() -> None:
    found = loaded("import so8t.agent.chat.app, so8t.agent.engines.llama_cpp, so8t.gate.backbones.encoder")
    assert "llama_cpp" not in found
