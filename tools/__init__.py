"""Tools and how they run.

from so8t.tools import tool

@tool(effects={"read"})
def weather(city: str) -> str:
    \"\"\"The weather in a city.\"\"\"
"""

from so8t.tools.decorator import tool
from so8t.tools.errors import (
    InvalidArguments,
    MissingResource,
    NameClash,
    ToolboxError,
    ToolDefinitionError,
    ToolError,
    ToolLoadError,
    UnknownTool,
)
from so8t.tools.executor import Executor, Outcome
from so8t.tools.toolbox import Toolbox
from so8t.tools.workspace import Workspace

__all__ = [
    "Executor",
    "InvalidArguments",
    "MissingResource",
    "NameClash",
    "Outcome",
    "ToolDefinitionError",
    "ToolError",
    "ToolLoadError",
    "Toolbox",
    "ToolboxError",
    "UnknownTool",
    "Workspace",
    "tool",
]
