"""The one folder that tools may touch."""

from so8t.tools.workspace.errors import (
    AccessFailed,
    AlreadyExists,
    LinkInPath,
    NotAFolder,
    NotARegularFile,
    NotFound,
    OutsideWorkspace,
    Protected,
    WorkspaceError,
)
from so8t.tools.workspace.workspace import Entry, Workspace

__all__ = [
    "AccessFailed",
    "AlreadyExists",
    "Entry",
    "LinkInPath",
    "NotAFolder",
    "NotARegularFile",
    "NotFound",
    "OutsideWorkspace",
    "Protected",
    "Workspace",
    "WorkspaceError",
]
