"""Why the workspace did not do something, one class for each. All are ToolErrors: the text goes to the model."""

from __future__ import annotations

from so8t.tools.errors import ToolError


class WorkspaceError(ToolError):
    """The root of the workspace's errors."""


class OutsideWorkspace(WorkspaceError):
    """The path is absolute, climbs out, or is written so that a system may read it in such a way."""


class LinkInPath(WorkspaceError):
    """A part of the path is a link, or became one while the path was being opened."""


class NotFound(WorkspaceError):
    """Nothing is there."""


class NotAFolder(WorkspaceError):
    """A part of the path that must be a folder is none."""


class NotARegularFile(WorkspaceError):
    """It is a folder, a pipe, a device, a socket, or a file with a second name (hard link)."""


class AlreadyExists(WorkspaceError):
    """The file is there, and overwriting was not asked for."""


class Protected(WorkspaceError):
    """The path belongs to so8t itself or to version control."""


class AccessFailed(WorkspaceError):
    """The system refused: permission, a full disk, a broken device."""
