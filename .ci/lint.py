"""ruff, mypy --strict on the five folders, and who may import whom. Run by `make lint`."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MAY_IMPORT = {
    "gate": set(),
    "tools": {"gate"},
    "audit_db": {"gate"},
    "agent": {"gate", "tools", "audit_db"},
    "training": {"gate"},
}
ONLY_TRAINING = {"torch", "transformers", "peft", "bitsandbytes", "accelerate", "sklearn"}


def main() -> int:
    """Run every check, all of them, and return 1 if one failed."""
    failed = False
    for command in (["ruff", "check", "."], ["ruff", "format", "--check", "."]):
        print("==", *command, flush=True)
        failed |= subprocess.run([sys.executable, "-m", *command], cwd=ROOT, check=False).returncode != 0
    print("== mypy --strict", flush=True)
    failed |= not types()
    print("== layers", flush=True)
    for problem in layers():
        print(problem)
        failed = True
    return int(failed)


def types() -> bool:
    """mypy sees the folders under their import names through links in a temporary folder."""
    with tempfile.TemporaryDirectory() as folder:
        package = Path(folder) / "so8t"
        package.mkdir()
        for name in MAY_IMPORT:
            (package / name).symlink_to(ROOT / name)
        command = [sys.executable, "-m", "mypy", "--config-file", str(ROOT / "pyproject.toml")]
        command += [part for name in MAY_IMPORT for part in ("-p", f"so8t.{name}")]
        return subprocess.run(command, cwd=ROOT, env=os.environ | {"MYPYPATH": folder}, check=False).returncode == 0


def layers() -> Iterator[str]:
    """Imports against the direction of the design."""
    for folder, allowed in MAY_IMPORT.items():
        for file in sorted((ROOT / folder).rglob("*.py")):
            for name, line in imports(ast.parse(file.read_text(encoding="utf-8"))):
                top, _, rest = name.partition(".")
                ours = rest.partition(".")[0]
                if top == "so8t" and ours and ours not in allowed | {folder}:
                    yield f"{file.relative_to(ROOT)}:{line}: so8t.{folder} may not import so8t.{ours}"
                if top in ONLY_TRAINING and folder != "training":
                    yield f"{file.relative_to(ROOT)}:{line}: only so8t.training may import {top}"
                if top in MAY_IMPORT:
                    yield f"{file.relative_to(ROOT)}:{line}: import so8t.{top}, not {top}"


def imports(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """(dotted name, line) of every import, also those inside functions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module, node.lineno
            yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names if node.module == "so8t")


if __name__ == "__main__":
    sys.exit(main())
