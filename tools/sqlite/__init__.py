"""Read-only SQL on a SQLite file in the workspace."""

from so8t.tools.sqlite.query import Rows, run
from so8t.tools.sqlite.snapshot import snapshot

__all__ = ["Rows", "run", "snapshot"]
