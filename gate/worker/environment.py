"""What the child process inherits: what native libraries need, and nothing that could be a secret."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path

# fmt: off
_NAMES = frozenset({
    "PATH", "HOME", "USERPROFILE", "SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "TEMP", "TMP", "TMPDIR",
    "LANG", "LANGUAGE", "TZ", "PYTHONHOME", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "LLAMA_CPP_LIB_PATH",
})
# fmt: on
_PREFIXES = ("LC_", "OMP_", "GOMP_", "KMP_", "MKL_", "OPENBLAS_", "GGML_", "CUDA_", "HIP_", "ROCR_", "VK_")
_SECRET = re.compile(r"KEY|TOKEN|SECRET|PASS|CREDENTIAL", re.IGNORECASE)


def child_environment(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The allowed variables, and the import path of this process, so that source trees work too."""
    kept = {name: value for name, value in environment.items() if _allowed(name)}
    kept.setdefault("GOMP_SPINCOUNT", "1000")  # OpenMP threads that spin for a busy core's thread cost up to a second
    kept["GGML_NO_BACKTRACE"] = "1"  # an aborting llama.cpp would fork a debugger that keeps our pipes open
    kept["PYTHONPATH"] = os.pathsep.join(str(Path(entry).absolute()) for entry in sys.path if entry)
    return kept


def _allowed(name: str) -> bool:
    upper = name.upper()
    return (upper in _NAMES or upper.startswith(_PREFIXES)) and not _SECRET.search(name)
