"""How long the program takes from its start to the first prompt.

    python benchmarks/start.py [--times 7] [--json]

Starts `so8t chat` again and again with the default configuration and an input that ends at once, in an empty data
folder, and prints the time until it ended beside that of a Python that imports nothing, so that the ratio compares
machines. The first start is not counted. Asserts nothing.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time

import machine

CHAT = [sys.executable, "-c", "from so8t.agent.cli.main import main; main()", "chat"]
BARE = [sys.executable, "-c", "pass"]


def seconds(command: list[str], folder: str) -> float:
    """Wall time of one run."""
    start = time.perf_counter()
    environ = os.environ | {"SO8T_DATA": folder}
    subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, env=environ, check=True)
    return time.perf_counter() - start


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = [(seconds(CHAT, folder), seconds(BARE, folder)) for _ in range(options.times + 1)][1:]
    chat, bare = (sorted(column) for column in zip(*rows, strict=True))
    found = {
        **machine.here(),
        "chat_start_to_end_s": {
            "min": round(chat[0], 3),
            "p50": round(statistics.median(chat), 3),
            "max": round(chat[-1], 3),
        },
        "bare_python_s": round(statistics.median(bare), 3),
        "ratio": round(statistics.median(chat) / statistics.median(bare), 1),
    }
    machine.tell(found, as_json=options.json)


if __name__ == "__main__":
    main()
