"""What can go wrong with tools, one class for each. Every message is one line that a user can act on."""

from __future__ import annotations

from collections.abc import Mapping

MAX_PROBLEMS = 10  # told in one message


class ToolError(Exception):
    """Raised by a tool for a failure that it expects: the text goes to the model as it stands."""


class ToolboxError(Exception):
    """The root of the errors in defining, loading and naming tools."""


class ToolDefinitionError(ToolboxError):
    """A function cannot become a tool: its effects, name, description or signature is wrong."""


class ToolLoadError(ToolboxError):
    """A tool file or an entry point could not be loaded."""


class NameClash(ToolLoadError):
    """Two tools have one name, or names that a reader could take for one another."""


class MissingResource(ToolboxError):
    """A tool takes something (a Workspace, say) that the executor was not given."""


class UnknownTool(ToolboxError):
    """No tool has this name. Names are matched exactly."""


class InvalidArguments(ToolboxError):
    """The arguments do not fit the tool's signature. `problems` maps each argument to what is wrong with it."""

    def __init__(self, tool: str, problems: Mapping[str, str]) -> None:
        shown = [f"{name[:80]}: {text}" for name, text in problems.items()]
        more = [f"and {len(shown) - MAX_PROBLEMS} more"] if len(shown) > MAX_PROBLEMS else []
        super().__init__(f"{tool}: " + "; ".join(shown[:MAX_PROBLEMS] + more))
        self.tool = tool
        self.problems = dict(problems)
