"""The chat as a program of its own. Marker words stand in for the safety model.

Usage: chat_worker.py HEAD: `so8t chat` in the working folder with the head in the folder HEAD.
"""

from __future__ import annotations

import sys
from pathlib import Path

from marker import opener
from so8t.agent import build
from so8t.agent.cli.main import main
from so8t.gate.head import Head

build.open_gate = opener(Head.load(Path(sys.argv[1])))
sys.argv = ["so8t", "chat"]
main()
